"""Credentials on the wire: a name, a cloud and a string that holds JSON; never a secret back."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from holdfast.model.account import Account, Quota
from holdfast.model.offering import Cloud
from holdfast.wire.document import Document, Moment
from holdfast.wire.error import Invalid, Wrong

# What the string must hold. Values are text without any white space inside.
SECRET_KEYS: Mapping[Cloud, tuple[str, ...]] = {
    Cloud.AWS: ("accessKeyId", "secretAccessKey"),
    Cloud.DO: ("token",),
    Cloud.AZURE: ("subscriptionId", "tenantId", "clientId", "clientSecret"),
    Cloud.GCP: ("project_id",),
}
LONGEST_NAME = 100
LONGEST_SECRET = 16 * 1024  # characters of the whole string


class CredentialsRequest(Document):
    """POST credentials. An `id` is ignored: one published client sends an empty one."""

    name: str
    cloud: Cloud
    credentials: str


class SecretRequest(Document):
    """PUT the secret of credentials that stay the same account's."""

    credentials: str


class CredentialsUser(Document):
    """A living cluster that uses the credentials."""

    id: str
    name: str


class QuotaShown(Document):
    """A limit of the account; `used` is absent where the cloud does not say it."""

    region: str
    code: str
    name: str
    unit: str
    limit: float
    used: float | None = None


class CredentialsCheck(Document):
    """The verdict of the last look at the account; without `checked_at` there was none yet."""

    checked_at: Moment | None = None
    ok: bool | None = None
    error: str | None = None
    account_id: str | None = None
    principal: str | None = None
    missing_permissions: list[str] = Field(default_factory=list)
    regions: list[str] = Field(default_factory=list)
    quotas: list[QuotaShown] = Field(default_factory=list)


class Credentials(Document):
    """Credentials as v1 answers them, with the account behind them."""

    id: str
    name: str
    cloud: Cloud
    credentials: str = ""
    used_by: list[CredentialsUser] = Field(default_factory=list)
    created_at: Moment | None = None
    fingerprint: str | None = None
    check: CredentialsCheck | None = None


class CredentialsList(Document):
    """All credentials."""

    items: list[Credentials]


def name(text: str) -> str:
    """The name without outer white space. Raises Invalid."""
    trimmed = text.strip()
    if not 1 <= len(trimmed) <= LONGEST_NAME:
        raise Invalid([Wrong("name", f"must have 1 to {LONGEST_NAME} characters")])
    if not trimmed.isprintable():
        raise Invalid([Wrong("name", "has control characters")])
    return trimmed


def secret(cloud: Cloud, text: str) -> dict[str, str]:
    """The keys of the string, trimmed. Raises Invalid naming the key, never its value.

    Outer white space (a line feed from `cat key | ...`) is trimmed; white space inside a key is
    refused, because the cloud would only say that the key is wrong.
    """
    found = _object(text)
    wanted = SECRET_KEYS[cloud]
    problems = [
        Wrong(f"credentials.{key}", problem)
        for key in wanted
        if (problem := _problem(found.get(key)))
    ]
    if problems:
        raise Invalid(problems)
    if cloud is Cloud.GCP:  # its client library wants the whole key file
        return {key: value.strip() for key, value in found.items() if isinstance(value, str)}
    return {key: str(found[key]).strip() for key in wanted}


def _object(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_SECRET:
        raise Invalid([Wrong("credentials", f"has more than {LONGEST_SECRET} characters")])
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # json's message would quote the secret
        found = None
    if not isinstance(found, dict):
        raise Invalid([Wrong("credentials", "must be a string that holds a JSON object")])
    return found


def _problem(value: object) -> str:
    if value is None or value == "":
        return "is missing"
    if not isinstance(value, str):
        return "must be a string"
    trimmed = value.strip()
    if not trimmed:
        return "is empty"
    if any(c.isspace() or not c.isprintable() for c in trimmed):
        return "has white space or control characters inside; was it copied in one piece?"
    return ""


def check(
    account: Account | None,
    checked_at: datetime | None,
    error: str,
    quotas: Mapping[str, tuple[Quota, ...]],
) -> CredentialsCheck:
    """The verdict; `quotas` by the cloud's own region name."""
    if checked_at is None:
        return CredentialsCheck()
    return CredentialsCheck(
        checked_at=checked_at,
        ok=account is not None and not error and not account.missing,
        error=error or None,
        account_id=account.id if account else None,
        principal=account.principal if account else None,
        missing_permissions=list(account.missing) if account else [],
        regions=list(account.regions) if account else [],
        quotas=[_quota(region, quota) for region, each in quotas.items() for quota in each],
    )


def _quota(region: str, quota: Quota) -> QuotaShown:
    return QuotaShown(
        region=region,
        code=quota.code,
        name=quota.name,
        unit=quota.unit,
        limit=quota.limit,
        used=quota.used,
    )
