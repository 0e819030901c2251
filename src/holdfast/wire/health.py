"""Liveness and readiness of the platform itself."""

from holdfast.wire.document import Document


class Health(Document):
    """`status` is "ok"; anything else comes as an error."""

    status: str
    version: str
