"""The words of Holdfast: frozen values without I/O, clock, chance or logging.

    spec -> resource -> observed -> machine -> action -> event

Each noun is a file. Desired things (`resource`) and observed things (`observed.Seen`) are
different types; nothing is filled in later.
"""
