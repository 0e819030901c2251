"""API tokens, without their secrets."""

from holdfast.wire.document import Document, Moment


class AuthToken(Document):
    """A token. Its secret is shown once, when it is made, and never here."""

    id: str
    name: str
    active: bool
    created_at: Moment
    last_used_at: Moment | None = None
    deleted_at: Moment | None = None


class AuthTokenList(Document):
    """All tokens."""

    items: list[AuthToken]
