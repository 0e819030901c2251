"""A file per noun; each has `router(context)`, which makes the paths of that noun."""
