"""Who holds an access key: IAM users and assumed roles of every account, with their policies."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.iam.models import IAMBackend, iam_backends
from moto.sts.models import sts_backends

PARTITION = "aws"


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. `bounds` are policies that must allow as well (a session's own policy)."""

    account: str
    arn: str
    secret: str
    token: str | None
    active: bool
    expires: datetime | None
    policies: tuple[str, ...]
    bounds: tuple[str, ...] = ()


def find(key: str) -> Identity | None:
    """The holder of access key `key`, None if no account knows it."""
    for account in list(iam_backends):
        backend = iam_backends[account][PARTITION]
        for user in backend.users.values():
            for held in user.access_keys:
                if held.access_key_id == key:
                    return Identity(
                        account,
                        user.arn,
                        held.secret_access_key,
                        None,
                        held.status == "Active",
                        None,
                        tuple(_user_policies(backend, user.name)),
                    )
    return _session(key)


def iam_arn(account: str, kind: str, name: str) -> str | None:
    """The ARN, with its path, of a role, instance-profile or user; None if it is not there."""
    backend = iam_backends[account][PARTITION]
    kinds: dict[str, dict[str, Any]] = {
        "role": dict(backend.roles),
        "instance-profile": dict(backend.instance_profiles),
        "user": dict(backend.users),
    }
    held = kinds[kind]
    return next((str(one.arn) for one in held.values() if one.name == name), None)


def of_arn(arn: str) -> Identity | None:
    """The user or role with this ARN, as a caller without a key; None if there is none."""
    account = arn.split(":")[4]
    if account not in iam_backends:
        return None
    backend = iam_backends[account][PARTITION]
    for user in backend.users.values():
        if user.arn == arn:
            policies = tuple(_user_policies(backend, user.name))
            return _keyless(account, arn, policies)
    for role in backend.roles.values():
        if arn in (role.arn, f"arn:aws:sts::{account}:assumed-role/{role.name}"):
            policies = tuple(_role_policies(backend, role.name))
            return _keyless(account, arn, policies)
    return None


def _keyless(account: str, arn: str, policies: tuple[str, ...]) -> Identity:
    return Identity(account, arn, "", None, active=True, expires=None, policies=policies)


def _session(key: str) -> Identity | None:
    for account in list(sts_backends):
        for session in sts_backends[account][PARTITION].assumed_roles:
            if session.access_key_id == key:
                role = session.role_arn.rsplit("/", 1)[-1]
                backend = iam_backends[account][PARTITION]
                return Identity(
                    account,
                    session.arn,
                    session.secret_access_key,
                    session.session_token,
                    active=True,
                    expires=session.expiration.replace(tzinfo=UTC),
                    policies=tuple(_role_policies(backend, role)),
                    bounds=(session.policy,) if session.policy else (),
                )
    return None


def _document(policy: Any) -> str:
    """The text of a managed policy's default version."""
    return next(str(v.document) for v in policy.versions if v.is_default)


def _user_policies(backend: IAMBackend, name: str) -> Iterator[str]:
    user = backend.users[name]
    yield from user.policies.values()
    yield from map(_document, user.managed_policies.values())
    for group in backend.get_groups_for_user(name):
        yield from group.policies.values()
        yield from map(_document, group.managed_policies.values())


def _role_policies(backend: IAMBackend, name: str) -> Iterator[str]:
    role = next((role for role in backend.roles.values() if role.name == name), None)
    if role is not None:
        yield from role.policies.values()
        yield from map(_document, role.managed_policies.values())
