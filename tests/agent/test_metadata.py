"""The metadata service: tokens, proof, and notices that are told once."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.agent.programs import Answer, Web

from holdfast.agent.metadata import Metadata
from holdfast.agent.notice import Notices
from holdfast.agent.uplink import Unreachable


class Service:
    """IMDSv2 as EC2 has it: a token by PUT, then files."""

    def __init__(self) -> None:
        self.token = "t1"
        self.files: dict[str, bytes] = {}
        self.web = Web(self._answer)

    def _answer(self, method: str, path: str, headers: Mapping[str, str], _: bytes) -> Answer:
        if method == "PUT":
            return 200, {}, self.token.encode()
        if headers.get("x-aws-ec2-metadata-token") != self.token:
            return 401, {}, b""
        found = self.files.get(path.removeprefix("/latest"))
        return (404, {}, b"") if found is None else (200, {}, found)

    @property
    def tokens(self) -> int:
        return len([one for one in self.web.asked if one[0] == "PUT"])


def test_the_proof_is_the_document_with_its_signatures() -> None:
    service = Service()
    at = "/dynamic/instance-identity"
    service.files = {f"{at}/document": b"{}", f"{at}/rsa2048": b"AA\nBB\n"}
    with service.web.serving() as url:
        proof = Metadata(url).proof()
    assert proof == {"document": base64.b64encode(b"{}").decode(), "rsa2048": "AABB"}
    assert service.tokens == 1


def test_without_a_document_there_is_no_proof() -> None:
    service = Service()
    with service.web.serving() as url, pytest.raises(OSError, match="no identity document"):
        Metadata(url).proof()


def test_a_token_that_was_refused_is_renewed() -> None:
    service = Service()
    with service.web.serving() as url:
        metadata = Metadata(url)
        assert metadata.interruption() is None
        service.token = "t2"
        assert metadata.interruption() is None
    assert service.tokens == 2


class Line:
    """An uplink that may be down."""

    def __init__(self) -> None:
        self.down = False
        self.told: list[dict[str, Any]] = []

    def call(self, kind: str, patience: float, **fields: Any) -> None:
        assert kind == "spot-notice"
        assert patience > 0
        if self.down:
            raise Unreachable("down")
        self.told.append(fields)


def test_a_notice_is_told_until_it_arrived_and_then_no_more() -> None:
    service, line = Service(), Line()
    notice = {"action": "terminate", "time": "2026-03-01T12:02:00Z"}
    with service.web.serving() as url:
        notices = Notices(Metadata(url), line)  # type: ignore[arg-type]
        notices.look()
        assert line.told == []
        service.files["/meta-data/spot/instance-action"] = json.dumps(notice).encode()
        line.down = True
        notices.look()
        line.down = False
        notices.look()
        notices.look()
        assert line.told == [notice]
        rebalance = json.dumps({"noticeTime": "T"}).encode()
        service.files["/meta-data/events/recommendations/rebalance"] = rebalance
        notices.look()
    assert line.told[1:] == [{"action": "rebalance", "time": "T"}]


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>"])
def test_a_broken_answer_of_the_service_breaks_nothing(body: bytes) -> None:
    service, line = Service(), Line()
    service.files["/meta-data/spot/instance-action"] = body
    with service.web.serving() as url:
        Notices(Metadata(url), line).look()  # type: ignore[arg-type]
    assert line.told == []


def test_a_service_that_is_away_breaks_nothing() -> None:
    line = Line()
    Notices(Metadata("http://127.0.0.1:9"), line).look()  # type: ignore[arg-type]
    assert line.told == []
