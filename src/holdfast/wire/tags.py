"""A user's tags: nothing that could hide whose a thing is, nothing that the clouds refuse."""

import re
from collections.abc import Mapping

from holdfast.model.names import RESERVED_PREFIX
from holdfast.wire.error import Wrong

# AWS takes 50 tags a resource; ours and those of in-cluster controllers need the rest.
MOST_TAGS = 40
LONGEST_KEY = 128
LONGEST_VALUE = 256
RESERVED = (RESERVED_PREFIX, "aws:", "kubernetes.io/", "name")
ALLOWED = re.compile(r"[\w .:/=+\-@]*", re.UNICODE)


def wrong(tags: Mapping[str, str]) -> list[Wrong]:
    """Every tag that cannot be set. Source of the limits: AWS EC2, "Tag your resources"."""
    found = [Wrong(f"tags.{key!r}", reason) for key in tags if (reason := _key(key))]
    found += [Wrong(f"tags.{key!r}", reason) for key in tags if (reason := _value(tags[key]))]
    if len(tags) > MOST_TAGS:
        found.append(Wrong("tags", f"{len(tags)} tags; at most {MOST_TAGS}"))
    return found


def _key(key: str) -> str:
    folded = key.strip().lower()
    taken = next((own for own in RESERVED if _belongs(folded, own)), "")
    if taken:
        return f"the key {taken!r} belongs to Holdfast or to the cloud; choose another"
    if not 1 <= len(key) <= LONGEST_KEY:
        return f"a key has 1 to {LONGEST_KEY} characters"
    return _characters(key, "key")


def _belongs(key: str, reserved: str) -> bool:
    return key.startswith(reserved) if reserved.endswith((":", "/")) else key == reserved


def _value(value: str) -> str:
    if len(value) > LONGEST_VALUE:
        return f"a value has at most {LONGEST_VALUE} characters"
    return _characters(value, "value")


def _characters(text: str, what: str) -> str:
    if text != text.strip():
        return f"the {what} begins or ends with a space"
    if not ALLOWED.fullmatch(text) or not text.isprintable():
        return f"a {what} has letters, digits, spaces and + - = . _ : / @ only"
    return ""
