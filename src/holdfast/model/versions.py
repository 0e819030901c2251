"""The Kubernetes versions that this release can make."""

SUPPORTED = ("1.37.2", "1.36.3")  # newest first
DEFAULT = SUPPORTED[0]


def resolve(version: str | None) -> str | None:
    """The full supported version meant by "1.37.2", "v1.37.2" or "1.37"; None when there is none.

    Empty or absent means the default.
    """
    wanted = (version or "").strip().removeprefix("v")
    if not wanted:
        return DEFAULT
    return next((v for v in SUPPORTED if v == wanted or v.rpartition(".")[0] == wanted), None)
