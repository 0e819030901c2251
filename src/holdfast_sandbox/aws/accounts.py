"""Accounts, users, keys and policies made past the wire: for the first start, and for tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import IAMBackend, iam_backends

from holdfast_sandbox.aws.identities import PARTITION

USER = "holdfast"
POLICY = "holdfast"
ALL: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True, slots=True)
class Keys:
    """What a person would copy from the console."""

    account: str
    user: str
    access_key: str
    secret_key: str


def _iam(account: str) -> IAMBackend:
    return iam_backends[account][PARTITION]


def add_user(account: str, name: str = USER, policy: Mapping[str, Any] | None = None) -> Keys:
    """A user with one inline policy (all rights unless given) and a key.

    The user may be there already: then it gets one more key, and the policy if one is given.
    """
    backend = _iam(account)
    if name not in backend.users:
        backend.create_user(region_name=PARTITION, user_name=name)
        policy = policy or ALL
    if policy is not None:
        backend.users[name].policies[POLICY] = json.dumps(policy)
    key = backend.create_access_key(name)
    return Keys(account, name, key.access_key_id, key.secret_access_key)


def set_policy(account: str, policy: Mapping[str, Any], name: str = USER) -> None:
    """Replace the user's inline policy. Raises KeyError for an unknown user."""
    _iam(account).users[name].policies[POLICY] = json.dumps(policy)
