"""The sandbox's control API: what it holds, what was asked of it, and faults on request."""
