"""What can stop a preparation; every message says what the user can do."""


class PrepareError(Exception):
    """The preparation stopped; finished parts are kept and the next run goes on from there."""


class DiskFull(PrepareError):
    """Too little space, before or during the preparation."""


class CommandFailed(PrepareError):
    """A programme that the preparation ran has failed."""
