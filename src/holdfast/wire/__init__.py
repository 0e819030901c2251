"""The v1 API's shapes, a file per noun, and their translation to and from the model.

The only home of v1's own words (`master`, `shape`). Pure: no clock, no chance, no I/O.
"""
