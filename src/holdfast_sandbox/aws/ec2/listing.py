"""Listings: by id, by filter, by page, seen through the cloud's delay. One way for every kind.

moto filters each kind in its own way and fails on what it does not know; here a kind is a table
(rows H26, H27, H43, H44, H46).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from holdfast_sandbox.aws.ec2 import visibility
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.errors import AwsError

Found = str | None | bool | int | Iterable[Any]
Field = Callable[[Any], Found]


@dataclass(frozen=True, slots=True)
class Listing:
    """How one Describe action works.

    `ids` is the parameter that names things, `missing` the code for one that is not there.
    `filters` are the fields by filter name; tags need no entry. `page` is the largest page.
    """

    result: str
    source: Callable[[Backend], Iterable[Any]]
    filters: Mapping[str, Field]
    ids: str = ""
    missing: str = ""
    identity: Callable[[Any], str] = lambda thing: str(thing.id)
    tagged: bool = True
    paged: bool = True
    least: int = 5
    page: int = 1000
    extra: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)


def describe(ask: Ask, listing: Listing) -> dict[str, Any]:
    """Answer a Describe call: {result: things, "NextToken": token}."""
    _check_page(ask, listing)
    token = ask.text("NextToken")
    things = visibility.seen(ask, listing.source(ask.backend), listing.identity, listing.result)
    if token:
        remaining = _remaining(ask, token)
        by_id = {listing.identity(thing): thing for thing in things}
        chosen = [by_id[name] for name in remaining if name in by_id]
    else:
        chosen = selected(ask, listing, things)
    return _page(ask, listing, chosen)


def selected(ask: Ask, listing: Listing, things: list[Any]) -> list[Any]:
    """The things that the call's ids and filters choose. Raises AwsError for unknown ones."""
    for parameter, key in {listing.ids: listing.identity, **listing.extra}.items():
        wanted = ask.items(parameter) if parameter else []
        if wanted:
            by_id = {key(thing): thing for thing in things}
            for name in wanted:
                if name not in by_id:
                    raise AwsError(listing.missing, f"The ID '{name}' does not exist")
            things = [by_id[name] for name in dict.fromkeys(wanted)]
    tests = [_test(ask, listing, item) for item in ask.items("Filters") or ask.items("Filter")]
    return [thing for thing in things if all(test(thing) for test in tests)]


def _test(ask: Ask, listing: Listing, item: Mapping[str, Any]) -> Callable[[Any], bool]:
    name = str(item.get("Name") or "null")
    patterns = [pattern(str(value)) for value in item.get("Values") or []]
    if listing.tagged and (name.startswith("tag:") or name in ("tag-key", "tag-value")):
        read: Field = _tag_field(ask.backend, listing, name)
    elif name in listing.filters:
        read = listing.filters[name]
    else:
        raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
    return lambda thing: any(
        one.fullmatch(text) for text in _texts(read(thing)) for one in patterns
    )


def _tag_field(backend: Backend, listing: Listing, name: str) -> Field:
    def tags(thing: Any) -> Mapping[str, str]:
        return backend.tags.get(listing.identity(thing), {})

    if name == "tag-key":
        return lambda thing: tuple(tags(thing))
    if name == "tag-value":
        return lambda thing: tuple(tags(thing).values())
    return lambda thing: tags(thing).get(name.removeprefix("tag:"))


def _texts(value: Found) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, str | int):
        return [str(value)]
    return [text for item in value for text in _texts(item)]


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """A filter value as a pattern: `*` and `?` are wild, a backslash takes that away."""
    out, escaped = [], False
    for letter in text:
        if escaped:
            out.append(re.escape(letter))
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            out.append({"*": ".*", "?": "."}.get(letter, re.escape(letter)))
    return re.compile("".join(out), re.DOTALL)


def _check_page(ask: Ask, listing: Listing) -> None:
    size = ask.params.get("MaxResults")
    if size is None:
        return
    if listing.ids and ask.items(listing.ids):
        raise AwsError(
            "InvalidParameterCombination",
            f"The parameter {listing.ids} cannot be used with the parameter MaxResults",
        )
    if not listing.least <= int(size) <= listing.page:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({size}) for parameter MaxResults is invalid. Expecting a value between "
            f"{listing.least} and {listing.page}.",
        )


def _remaining(ask: Ask, token: str) -> list[str]:
    held = ask.world.state.pages.get(token)
    if held is None or held[0] != (ask.call.account, ask.call.region, ask.call.action):
        raise AwsError("InvalidNextToken", f"The token '{token}' is invalid")
    return list(held[1])


def _page(ask: Ask, listing: Listing, chosen: list[Any]) -> dict[str, Any]:
    limit = ask.world.settings.page if listing.paged else None
    asked = ask.params.get("MaxResults")
    sizes = [int(size) for size in (limit, asked) if size is not None]
    if not listing.paged or not sizes or len(chosen) <= min(sizes):
        return {listing.result: chosen}
    head, tail = chosen[: min(sizes)], chosen[min(sizes) :]
    place = (ask.call.account, ask.call.region, ask.call.action)
    token = ask.world.state.keep_page(place, [listing.identity(thing) for thing in tail])
    return {listing.result: head, "NextToken": token}
