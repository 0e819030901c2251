"""Policy documents evaluated, pure: deny wins, silence refuses, the unknown grants nothing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What policies say of one action on one resource."""

    allowed: bool
    explicit: bool = False  # a Deny statement matched
    statement: Mapping[str, Any] | None = None


def statements(document: str | Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document, always as a list."""
    policy = json.loads(document) if isinstance(document, str) else document
    found = policy.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


def evaluate(
    documents: Iterable[str | Mapping[str, Any]], action: str, resource: str, context: Context
) -> Verdict:
    """Whether the identity-based `documents` together allow `action` on `resource`."""
    granted: Mapping[str, Any] | None = None
    for document in documents:
        for statement in statements(document):
            if not _concerns(statement, action, resource):
                continue
            holds = _conditions_hold(statement, context)
            if statement["Effect"] == "Deny" and holds is not False:
                return Verdict(allowed=False, explicit=True, statement=statement)
            if statement["Effect"] == "Allow" and holds:
                granted = granted or statement
    return Verdict(allowed=granted is not None, statement=granted)


def trusts(
    document: str | Mapping[str, Any], action: str, principals: Iterable[str], context: Context
) -> bool:
    """Whether a role's trust policy lets one of `principals` (ARNs, account root) do `action`."""
    allowed = False
    for statement in statements(document):
        if not _any(statement.get("Action", []), action, fold=True):
            continue
        if not _names_principal(statement.get("Principal"), set(principals)):
            continue
        holds = _conditions_hold(statement, context)
        if statement["Effect"] == "Deny" and holds is not False:
            return False
        allowed = allowed or bool(statement["Effect"] == "Allow" and holds)
    return allowed


def _names_principal(principal: object, principals: set[str]) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    wanted = _list(principal.get("AWS", [])) + _list(principal.get("Service", []))
    return "*" in wanted or bool(principals & set(wanted))


def _concerns(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    if "NotAction" in statement:
        if _any(statement["NotAction"], action, fold=True):
            return False
    elif not _any(statement.get("Action", []), action, fold=True):
        return False
    if "NotResource" in statement:
        return not _any(statement["NotResource"], resource)
    return _any(statement.get("Resource", []), resource)


def _conditions_hold(statement: Mapping[str, Any], context: Context) -> bool | None:
    """True, False, or None when a condition operator is not known here."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, wanted in keys.items():
            held = _condition(operator, context.get(key.lower()), _list(wanted))
            if not held:
                return held
    return True


def _condition(
    operator: str, found: str | tuple[str, ...] | None, wanted: list[str]
) -> bool | None:
    quantifier, _, plain = operator.rpartition(":")
    optional = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    if plain == "Null":
        return (found is None) == (wanted[0].lower() == "true")
    if found is None:
        return optional or "Not" in plain or quantifier == "ForAllValues"
    values = (found,) if isinstance(found, str) else found
    tests = [_compare(plain, value, wanted) for value in values]
    if None in tests:
        return None
    return all(tests) if quantifier == "ForAllValues" else any(tests)


def _compare(operator: str, value: str, wanted: list[str]) -> bool | None:
    if operator in ("StringEquals", "ArnEquals", "Bool", "NumericEquals"):
        same = str.lower if operator == "Bool" else str
        return any(same(value) == same(want) for want in wanted)
    if operator == "StringEqualsIgnoreCase":
        return value.lower() in {want.lower() for want in wanted}
    if operator in ("StringLike", "ArnLike"):
        return any(fnmatchcase(value, want) for want in wanted)
    if operator in ("StringNotEquals", "ArnNotEquals"):
        return value not in wanted
    if operator in ("StringNotLike", "ArnNotLike"):
        return not any(fnmatchcase(value, want) for want in wanted)
    return None


def _any(patterns: object, value: str, *, fold: bool = False) -> bool:
    pairs = [(p.lower(), value.lower()) if fold else (p, value) for p in _list(patterns)]
    return any(fnmatchcase(found, pattern) for pattern, found in pairs)


def _list(value: object) -> list[str]:
    if isinstance(value, list | tuple):
        return [_text(item) for item in value]
    return [_text(value)]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
