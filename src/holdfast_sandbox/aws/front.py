"""The front: every request passes here, under one lock, in one order.

read -> lost, slow, out of order? -> who? -> throttled? -> allowed? -> dry run? -> fault?
     -> answered -> recorded -> lost on the way back?
"""

import logging
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from threading import RLock
from typing import Any

from holdfast_sandbox.aws import call, identities, record
from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.door import access, throttle
from holdfast_sandbox.aws.errors import Answer, AwsError, Gap, refusal
from holdfast_sandbox.aws.faults import Facts, Kind, strings
from holdfast_sandbox.aws.identities import Identity
from holdfast_sandbox.aws.world import World

log = logging.getLogger(__name__)
Answering = Callable[[Call, Identity, World], Answer]
ID = re.compile(rb"\b(?:[a-z]{1,8}-[0-9a-f]{17}|r-[0-9a-f]{17}|sgr-[0-9a-f]{17})\b")
IDS_KEPT = 64
STALE_KEPT = 512
OWN_HEADERS = {"date", "content-length", "connection", "server", "x-amzn-requestid"}
REQUEST_ID = re.compile(rb"(?<=<[rR]equestId>)[^<]*(?=</)")


class LineCut(Exception):
    """The connection is to be closed without an answer."""


@dataclass(slots=True)
class Front:
    """A WSGI application. `answering` does the work, `tick` lets time pass, `changed` tells."""

    world: World
    answering: Answering
    tags_of: access.TagsOf
    tick: Callable[[], bool]
    changed: Callable[[], None]
    lock: RLock = field(default_factory=RLock)
    sleep: Callable[[float], None] = time.sleep
    made: int = 0
    stale: dict[tuple[str, ...], Answer] = field(default_factory=dict)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        try:
            answer = self.handle(environ)
        except LineCut:
            _cut(environ)
            return []
        headers = {
            **{name: v for name, v in answer.headers.items() if name.lower() not in OWN_HEADERS},
            "x-amzn-RequestId": answer.request_id,
            "Date": format_datetime(self.world.now(), usegmt=True),
            "Content-Length": str(len(answer.body)),
        }
        start_response(f"{answer.status} {_reason(answer.status)}", list(headers.items()))
        return [answer.body]

    def handle(self, environ: dict[str, Any]) -> Answer:
        """The answer to one request. Raises LineCut when none is to be sent."""
        protocol, request_id = call.protocol_of(environ), self._request_id()
        try:
            asked = call.read(environ)
        except AwsError as error:
            self._note_gap(error, "?", environ.get("HTTP_X_AMZ_TARGET", "?"))
            return refusal(error, protocol, request_id)
        asked.request_id = request_id
        holder = identities.find(asked.signature.key)
        asked.account = holder.account if holder else ""
        self._before(asked)
        with self.lock:
            moved = self.tick()
            self.world.state.record.counts[asked.name] += 1
            answer, code = self._answer(asked)
            answer = _named(answer, request_id)
            cut = self._finish(asked, answer, code)
        if moved or (asked.mutating and not code):
            self.changed()
        if cut:
            raise LineCut
        return answer

    def _request_id(self) -> str:
        with self.lock:
            self.made += 1
            number = self.world.chance("request", str(self.made)).getrandbits(128)
        text = f"{number:032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def _before(self, asked: Call) -> None:
        slow = self.world.faults.take((Kind.DELAY,), facts_of(asked))
        if slow is not None:
            self.sleep(slow.value)
        if self.world.faults.take((Kind.LOST_REQUEST,), facts_of(asked)):
            with self.lock:
                self._record(asked, 0, "LostRequest", (), applied=False)
            raise LineCut

    def _answer(self, asked: Call) -> tuple[Answer, str]:
        try:
            return self._carry_out(asked), ""
        except AwsError as error:
            self._note_gap(error, asked.service, asked.action)
            return refusal(error, asked.protocol, asked.request_id), error.code
        except Exception as error:  # a crash in moto is a gap, never a page of HTML
            log.exception("%s in %s failed inside the emulator", asked.name, asked.region)
            gap = Gap("InvalidAction", f"{asked.name} failed inside the emulator: {error!r}")
            self._note_gap(gap, asked.service, asked.action)
            return refusal(gap, asked.protocol, asked.request_id), gap.code

    def _carry_out(self, asked: Call) -> Answer:
        world, facts = self.world, facts_of(asked)
        if world.faults.take((Kind.OUTAGE,), facts):
            raise AwsError("Unavailable", "The server is overloaded and can't handle it.", 503)
        if asked.region not in world.settings.regions:
            text = f"You are not subscribed to the region {asked.region}."
            raise AwsError("OptInRequired", text, 403)
        identity = access.authenticate(asked, world)
        facts = facts_of(asked)
        throttle.check(asked, world)
        if world.faults.take((Kind.THROTTLE,), facts):
            throttle.refuse(asked)
        access.authorise(asked, identity, world, self.tags_of)
        broken = world.faults.take((Kind.ERROR,), facts)
        if broken is not None:
            raise AwsError(broken.code, broken.message or "An error on request.", broken.status)
        old = world.faults.take((Kind.STALE,), facts) if not asked.mutating else None
        if old is not None and _query(asked) in self.stale:
            return self.stale[_query(asked)]
        return self.answering(asked, identity, world)

    def _finish(self, asked: Call, answer: Answer, code: str) -> bool:
        """Record the call; returns whether its answer is to be lost."""
        if not asked.mutating and not code:
            self._keep(asked, answer)
        found = () if code else tuple(dict.fromkeys(m.decode() for m in ID.findall(answer.body)))
        self._record(asked, answer.status, code, found[:IDS_KEPT], applied=not code)
        return self.world.faults.take((Kind.LOST_RESPONSE,), facts_of(asked)) is not None

    def _keep(self, asked: Call, answer: Answer) -> None:
        """Remember the answer of a listing for a stale page; a stale one stays what it was."""
        query = _query(asked)
        if query in self.stale and self.world.faults.find((Kind.STALE,), facts_of(asked)):
            return
        self.stale[query] = answer
        if len(self.stale) > STALE_KEPT:
            del self.stale[next(iter(self.stale))]

    def _record(
        self, asked: Call, status: int, code: str, found: tuple[str, ...], *, applied: bool
    ) -> None:
        if not asked.mutating:
            return
        entries = self.world.state.record.entries
        entries.append(
            record.Entry(
                number=len(entries) + 1,
                at=self.world.now(),
                account=asked.account,
                region=asked.region,
                key=asked.signature.key,
                caller=asked.caller,
                service=asked.service,
                action=asked.action,
                params=record.plain(asked.params),
                status=status,
                code=code,
                ids=found,
                applied=applied,
                request_id=asked.request_id,
            )
        )

    def _note_gap(self, error: AwsError, service: str, action: str) -> None:
        if not isinstance(error, Gap):
            return
        log.warning("gap in the AWS emulator: %s %s: %s", service, action, error.message)
        with self.lock:
            entry = record.GapEntry(self.world.now(), service, action, error.message)
            self.world.state.record.gaps.append(entry)


def facts_of(asked: Call) -> Facts:
    """What faults are matched with."""
    return Facts(
        account=asked.account,
        region=asked.region,
        service=asked.signature.service,
        action=asked.action,
        subjects=(asked.signature.key, *strings(asked.params)),
    )


def _named(answer: Answer, request_id: str) -> Answer:
    """The answer under our own request id: moto makes up another one in every layer."""
    body = REQUEST_ID.sub(request_id.encode(), answer.body)
    return replace(answer, body=body, request_id=request_id)


def _query(asked: Call) -> tuple[str, ...]:
    return (asked.account, asked.region, asked.name, repr(sorted(asked.params.items(), key=str)))


def _reason(status: int) -> str:
    return "OK" if status < 300 else "Error"


def _cut(environ: dict[str, Any]) -> None:
    """Close the connection under the client's feet."""
    line = environ.get("werkzeug.socket")
    if line is not None:
        line.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("the answer is lost, as a fault asked for")
