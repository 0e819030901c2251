"""The shell around the planner: observe, decide, act, record, and do it again. Start with
`reconcile`."""
