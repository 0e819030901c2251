"""Which key is reconciled next, by whom, and never twice at once. Holds no truth."""
