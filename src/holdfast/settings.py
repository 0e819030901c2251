"""What the server reads from its environment: HOLDFAST_<NAME>, and nowhere else.

The descriptions are the documentation (`docs/operations.md` is made from them).
"""

import base64
import binascii
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "HOLDFAST_"
MASTER_KEY_BYTES = 32


class SettingsError(Exception):
    """A variable has a value that can't be used; the message names it."""


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/holdfast")
    return Path("~/.local/share/holdfast").expanduser()


class Settings(BaseSettings):
    """The server's settings. A `.env` file is not read: it would set what nobody sees."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=None, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Directory of the database, the key file and the platform's certificates.",
    )
    database_url: str = Field(
        default="",
        description="Database. Empty: SQLite in the data directory (sqlite+aiosqlite:///<path>).",
    )
    key_file: Path | None = Field(
        default=None,
        description="File of the master keys, mode 0600. Empty: <data_dir>/master.key, made at "
        "the first start. Back it up apart from the database.",
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="Master key itself, 32 bytes as base64; used instead of the key file.",
    )
    listen_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    listen_port: int = Field(default=8443, ge=0, le=65535, description="Port; 0 takes a free one.")
    public_url: str = Field(
        default="",
        description="How machines reach the platform. Empty: https://<listen_host>:<listen_port>.",
    )
    egress_proxy: str = Field(
        default="",
        description="HTTP CONNECT proxy towards the clusters' API servers; kubeconfigs name it.",
    )
    aws_endpoint: str = Field(
        default="", description="Where the AWS API answers. Empty: the real one."
    )
    aws_identity_certificates: Path | None = Field(
        default=None,
        description="PEM file of the certificates that sign AWS instance identity documents.",
    )
    aws_consistency_window: float = Field(
        default=300.0,
        ge=0,
        description="Seconds after which an absence at AWS counts as a deletion.",
    )
    heartbeat_late: float = Field(
        default=12.0, gt=0, description="Seconds without heartbeat after which an agent is late."
    )
    join_deadline: float = Field(
        default=900.0, gt=0, description="Seconds a machine has to join before it is replaced."
    )
    unhealthy_after: float = Field(
        default=600.0, gt=0, description="Seconds a node may be NotReady before it is replaced."
    )
    breaker_fraction: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of a cluster's machines beyond which healing stops and asks.",
    )
    drain_deadline: float = Field(
        default=900.0, ge=0, description="Seconds the pods of a machine that leaves may take."
    )
    concurrency: int = Field(
        default=20, ge=1, description="Passes of different clusters that run at once."
    )
    observe_only: bool = Field(
        default=False,
        description="Start observe-only: passes look and plan, nothing is done before "
        "`holdfast installation release`. For a database from a backup.",
    )
    regions: Annotated[dict[str, dict[str, str]], NoDecode] = Field(
        default_factory=dict,
        description="Overrides of the region groups: "
        "<group>/<cloud>=<region>, comma-separated (eu-central/aws=eu-central-1).",
    )
    log_format: LogFormat = Field(default=LogFormat.TEXT, description="text or json.")
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )

    @field_validator("regions", mode="before")
    @classmethod
    def _parse_regions(cls, value: Any) -> Any:
        """Pairs of text to group -> cloud -> region."""
        if not isinstance(value, str):
            return value
        groups: dict[str, dict[str, str]] = {}
        for pair in filter(None, (part.strip() for part in value.split(","))):
            where, _, region = pair.partition("=")
            group, _, cloud = where.partition("/")
            if not (group and cloud and region):
                message = f"expected <group>/<cloud>=<region>, got {pair!r}"
                raise ValueError(message)
            groups.setdefault(group, {})[cloud] = region
        return groups

    @field_validator("public_url", "egress_proxy", "aws_endpoint")
    @classmethod
    def _check_url(cls, value: str) -> str:
        """An absolute URL without trailing slash, or nothing."""
        if value and not value.startswith(("http://", "https://")):
            message = "expected a URL that begins with http:// or https://"
            raise ValueError(message)
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _check_public(cls, value: str) -> str:
        """Machines send keys and get keys: TLS only."""
        if value.startswith("http://"):
            message = "expected https://: machines receive keys over it"
            raise ValueError(message)
        return value

    @field_validator("master_key")
    @classmethod
    def _check_master_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            decode_master_key(value)
        return value

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """From the environment; `overrides` win. Raises SettingsError naming each variable."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            lines = [
                f"{PREFIX}{'_'.join(str(part) for part in each['loc']).upper()}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False)
            ]
            raise SettingsError("\n".join(lines)) from None

    def database(self) -> str:
        """The database's URL."""
        path = self.data_dir.absolute() / "holdfast.db"
        return self.database_url or f"sqlite+aiosqlite:///{path}"

    def keys(self) -> Path:
        """The key file."""
        return self.key_file or self.data_dir / "master.key"

    def url(self, port: int | None = None) -> str:
        """How machines reach the platform; `port` is the real one where 0 was asked for."""
        return self.public_url or f"https://{self.listen_host}:{port or self.listen_port}"


def decode_master_key(value: SecretStr) -> bytes:
    """The 32 bytes. Raises ValueError for anything else, without showing it."""
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        message = f"expected {MASTER_KEY_BYTES} bytes as base64"
        raise ValueError(message)
    return key


def table() -> str:
    """The settings as a Markdown table, for the documentation."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, each in Settings.model_fields.items():
        default = each.get_default() if each.default_factory is None else "see there"
        shown = "" if default in (None, "") else f"`{default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {each.description} |")
    return "\n".join(lines)
