"""The command line: a file per noun, speaking only the public API."""
