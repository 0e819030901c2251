"""holdfast credentials ..."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from holdfast.cli import apps, confirm, context, find
from holdfast.cli.exits import Usage
from holdfast.cli.output import Column, Format, fields, note, show, table
from holdfast.client import calls

app = apps.make("credentials", "Credentials of your cloud accounts.")
Cloud = Literal["aws", "gcp", "azure", "do"]
CHECK_SECONDS = 40.0  # a request waits up to 10 s for the cloud; the rest is for slow networks


def _state(item: Mapping[str, Any]) -> str:
    check = item.get("check") or {}
    if "checkedAt" not in check:
        return "not checked yet"
    return "ok" if check.get("ok") else str(check.get("error") or "permissions lacking")


COLUMNS = (
    Column("NAME", "name"),
    Column("CLOUD", "cloud"),
    Column("ACCOUNT", "check.accountId"),
    Column("CLUSTERS", lambda item: len(item.get("usedBy", []))),
    Column("STATE", _state),
    Column("ID", "id"),
)
QUOTAS = (
    Column("REGION", "region"),
    Column("QUOTA", "name"),
    Column("USED", "used"),
    Column("LIMIT", "limit"),
    Column("UNIT", "unit"),
    Column("CODE", "code"),
)


@app.command
def add(name: str, /, *, cloud: Cloud = "aws", file: str = "", output: Format = "table") -> None:
    """Store credentials, after the cloud said whose they are and what they may do.

    Parameters
    ----------
    name:
        A name of your choice.
    cloud:
        The cloud they are for.
    file:
        File with the key as JSON; "-" reads standard input. Without it the key of aws is taken
        from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    output:
        How the result is shown.
    """
    secret = _secret(cloud, file)
    added = context.client(CHECK_SECONDS).json(calls.add_credentials(name, cloud, secret))
    show(added, output, COLUMNS)


@app.command(name="list")
def list_credentials(*, output: Format = "table") -> None:
    """List credentials; secrets are never shown.

    Parameters
    ----------
    output:
        How the result is shown.
    """
    show(context.client().json(calls.list_credentials()), output, COLUMNS)


@app.command
def check(credentials: str, /, *, output: Format = "table") -> int:
    """Ask the cloud now: account, missing permissions, quotas. Exit code 4 when it refuses.

    Parameters
    ----------
    credentials:
        Name or id.
    output:
        How the result is shown.
    """
    client = context.client(CHECK_SECONDS)
    found = client.json(calls.check_credentials(find.credentials(client, credentials)["id"]))
    if output != "table":
        show(found, output, COLUMNS)
    else:
        missing = ", ".join(found.get("missingPermissions", []))
        pairs = [
            ("STATE", _state({"check": found})),
            ("ACCOUNT", found.get("accountId")),
            ("PRINCIPAL", found.get("principal")),
            ("MISSING", missing),
            ("REGIONS", ", ".join(found.get("regions", []))),
            ("CHECKED", found.get("checkedAt")),
        ]
        print(fields(pairs))
        if found.get("quotas"):
            print("\n" + table(found["quotas"], QUOTAS))
    return 4 if found.get("ok") is False else 0


@app.command
def rotate(credentials: str, /, *, file: str = "", output: Format = "table") -> None:
    """Replace the key by another one of the same account; clusters go on without a pause.

    Parameters
    ----------
    credentials:
        Name or id.
    file:
        File with the new key as JSON; "-" reads standard input. Without it the key of aws is
        taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    output:
        How the result is shown.
    """
    client = context.client(CHECK_SECONDS)
    found = find.credentials(client, credentials)
    secret = _secret(found["cloud"], file)
    show(client.json(calls.rotate_credentials(found["id"], secret)), output, COLUMNS)


@app.command
def remove(credentials: str, /, *, yes: bool = False) -> None:
    """Forget credentials that no cluster uses.

    Parameters
    ----------
    credentials:
        Name or id.
    yes:
        Do not ask.
    """
    client = context.client()
    found = find.credentials(client, credentials)
    if not yes:
        confirm.yes(f"Forget credentials {found['name']}?")
    client.call(calls.remove_credentials(found["id"]))
    note(f"credentials {found['name']} removed")


def _secret(cloud: str, file: str) -> dict[str, str]:
    if not file:
        if cloud != "aws":
            message = f"--file is required for {cloud}"
            raise Usage(message)
        return context.aws_secret()
    try:
        found = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text())
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise Usage(message) from error
    except ValueError:
        found = None  # json's own message would quote the secret
    if not isinstance(found, dict):
        message = f"{file}: not a JSON object"
        raise Usage(message)
    return found
