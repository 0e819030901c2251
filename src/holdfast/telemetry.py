"""Logs and metrics: one structured line per action, a dozen metrics, never a decision.

Everything logs through structlog, the standard library's loggers too. What looks like a secret
is blotted out before a line is written.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.typing import EventDict, Processor, WrappedLogger

BLOT = "[redacted]"
_SECRET_KEY = re.compile(
    r"secret|password|passwd|token|authorization|cookie|private_?key|nonce|credential_value",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"hf_[A-Za-z0-9_-]{20,}"  # our API tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b[a-z0-9]{6}\.[a-z0-9]{16}\b"  # kubeadm's bootstrap tokens
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/=-]+"
    r"|(?<=[Ss]ignature=)[A-Za-z0-9%+/=-]+"  # signed AWS requests
    r"|(?<=://)[^/\s:@]+:[^/\s:@]+(?=@)",  # user and password in a URL
    re.DOTALL,
)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


def blotted(value: Any) -> Any:
    """The value without what looks like a secret, in texts, mappings and sequences."""
    if isinstance(value, str):
        return _SECRET_TEXT.sub(BLOT, value)
    if isinstance(value, bytes):
        return blotted(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {
            key: BLOT if _names_a_secret(key) and each else blotted(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [blotted(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return blotted(str(value))


def _names_a_secret(key: object) -> bool:
    return isinstance(key, str) and _SECRET_KEY.search(key) is not None


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    result: EventDict = blotted(event)
    return result


def set_up_logs(level: str, *, json: bool, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library through one chain to `stream` (standard error).

    Call once at start; a second call replaces the first.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _redact,
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
    )
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level)
    _quieten()


def _quieten() -> None:
    """Libraries that would log requests with their headers, or own handlers past the chain."""
    for name in ("aiosqlite", "alembic", "boto3", "botocore", "httpcore", "httpx2", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class Metrics:
    """The dozen metrics, in a registry of their own, so that two platforms fit in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.passes = Histogram(
            "holdfast_pass_seconds",
            "Duration of a pass",
            ["outcome"],  # settled, progress, waiting, failed, lease_lost
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.actions = self._counter("actions", "Actions applied", "kind", "outcome")
        self.calls = Histogram(
            "holdfast_provider_call_seconds",
            "Duration of a call to a cloud",
            ["cloud", "operation", "error"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.requests = Histogram(
            "holdfast_http_request_seconds",
            "Duration of an API request",
            ["method", "route", "status"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.wakes = self._counter("wakes", "Wakes", "why")
        self.rescan_finds = self._counter("rescan_finds", "Due keys that no wake had announced")
        self.leases_lost = self._counter("leases_lost", "Passes that lost their lease")
        self.call_backs = self._counter("call_backs", "Call-backs of agents", "kind", "outcome")
        self.oldest_due = self._gauge("oldest_due_seconds", "Age of the oldest due key")
        self.engine_keys = self._gauge("engine_keys", "Keys in the engine", "state")
        self.clusters = self._gauge("clusters", "Clusters", "phase")
        self.machines = self._gauge("machines", "Machines", "stage")
        self.streams = self._gauge("event_streams", "Open event streams")

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"holdfast_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"holdfast_{name}", meaning, labels, registry=self.registry)
