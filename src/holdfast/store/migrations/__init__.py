"""The schema's history, by Alembic: expand first, contract a release later.

A revision never imports the model or `tables`: it must do the same in a year.
"""
