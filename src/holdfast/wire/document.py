"""What every shape on the wire has in common: camelCase keys, unknown keys ignored, frozen."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


class Document(BaseModel):
    """A JSON object of the API. Fields are snake_case here and camelCase on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
    )


def _absent_when_empty(value: object) -> object:
    return None if value == "" else value


MaybeText = Annotated[str | None, BeforeValidator(_absent_when_empty)]
"""A string of a request in which "", null and absence mean the same."""

Moment = AwareDatetime
"""RFC 3339 with a zone."""
