"""Which Holdfast is meant: the command line's own reader of environment and context file.

HOLDFAST_URL, HOLDFAST_TOKEN, HOLDFAST_CA_FILE   win over
~/.config/holdfast/context.toml                  url, token, ca_file; mode 0600
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from holdfast.cli.exits import Failure, Usage
from holdfast.client.sync import Client

HINT = "set HOLDFAST_URL and HOLDFAST_TOKEN, or write them to the context file"
AWS_NAMES = {"accessKeyId": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"}


@dataclass(frozen=True, slots=True)
class Context:
    """Where the API is, with which token, and the CA to trust (None: the system's)."""

    url: str
    token: str
    ca_file: Path | None = None


def context_file() -> Path:
    """HOLDFAST_CONTEXT, else context.toml in the user's configuration directory."""
    given = _environment("HOLDFAST_CONTEXT")
    if given:
        return Path(given)
    home = _environment("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(home) / "holdfast" / "context.toml"


def load() -> Context:
    """The context in force. Raises Usage when there is none, Failure when the file is unsafe."""
    path = context_file()
    stored = _read(path)
    url = _environment("HOLDFAST_URL") or stored.get("url", "")
    token = _environment("HOLDFAST_TOKEN") or stored.get("token", "")
    ca_file = _environment("HOLDFAST_CA_FILE") or stored.get("ca_file", "")
    if not url or not token:
        lacking = "no address" if not url else "no token"
        message = f"{lacking} of a Holdfast: {HINT} {path}"
        raise Usage(message)
    return Context(url, token, Path(ca_file) if ca_file else None)


def client(timeout: float = 30.0) -> Client:
    """A client of the Holdfast in force."""
    found = load()
    return Client(found.url, found.token, found.ca_file, timeout)


def save(path: Path, context: Context) -> None:
    """Write a context file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"url = {_quoted(context.url)}", f"token = {_quoted(context.token)}"]
    if context.ca_file is not None:
        lines.append(f"ca_file = {_quoted(str(context.ca_file))}")
    write_private(path, "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a file, whole or not at all, that only its owner can read. Raises Failure."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise Failure(message) from error


def aws_secret() -> dict[str, str]:
    """An AWS key from the variables that AWS's own tools read. Raises Usage naming what lacks."""
    found = {key: _environment(name) for key, name in AWS_NAMES.items()}
    missing = [AWS_NAMES[key] for key, value in found.items() if not value]
    if missing:
        message = f"{', '.join(missing)}: not set; export them or give --file"
        raise Usage(message)
    return found


def _environment(name: str) -> str:
    return os.environ.get(name, "")  # noqa: TID251  (this is the command line's door to it)


def _read(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
    except OSError:
        return {}
    if stat.S_IMODE(mode) & 0o077:
        message = f"{path} holds a token and others may read it; run: chmod 600 {path}"
        raise Failure(message)
    import tomllib  # noqa: PLC0415  (only with a context file)

    try:
        stored = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        message = f"{path}: {error}"
        raise Failure(message) from error
    return {key: str(value) for key, value in stored.items()}


def _quoted(text: str) -> str:
    import json  # noqa: PLC0415  (a JSON string is a TOML basic string)

    return json.dumps(text)
