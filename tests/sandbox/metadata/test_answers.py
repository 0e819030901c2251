"""The rules of IMDSv2, of the NoCloud seed, and whose data an address sees."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from holdfast_sandbox.metadata.answers import TOKEN, TOKEN_SECONDS, Metadata
from holdfast_sandbox.metadata.guest import Guest
from holdfast_sandbox.metadata.identity import Signer, signer
from holdfast_sandbox.metadata.tokens import Tokens
from holdfast_sandbox.ports import MetadataAnswer, MetadataRequest

ADDRESS = IPv4Address("10.0.0.7")
OTHER = IPv4Address("10.0.0.8")


def a_guest(name: str = "i-1", address: IPv4Address = ADDRESS) -> Guest:
    return Guest(
        id=name,
        address=address,
        mac="02:00:00:00:00:07",
        account="123456789012",
        region="eu-central-1",
        zone="eu-central-1b",
        image="ami-1",
        type="m5.large",
        hostname="ip-10-0-0-7.eu-central-1.compute.internal",
        document=b'{"instanceId": "i-1"}',
        public_address=IPv4Address("198.18.0.9"),
        groups=("default", "workers"),
        user_data=b"#!/bin/sh\n\x00\xff",
        tokens_required=True,
        hop_limit=1,
    )


@pytest.fixture(scope="module")
def region_signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    state: Path = tmp_path_factory.mktemp("state")
    return signer(state, 1_700_000_000)


class World:
    """A service over two machines, with a clock that tests turn."""

    def __init__(self, region_signer: Signer, guest: Guest) -> None:
        self.now = 1_700_000_000.0
        self.guests = {("vpc-1", ADDRESS): guest, ("vpc-1", OTHER): a_guest("i-2", OTHER)}
        self.strangers: list[MetadataRequest] = []
        self.silent: set[str] = set()
        self.service = Metadata(
            lambda network, source: self.guests.get((network, source)),
            region_signer,
            Tokens(b"secret", lambda: self.now),
            self.strangers.append,
            self.silent,
        )

    def ask(
        self,
        path: str,
        method: str = "GET",
        source: IPv4Address = ADDRESS,
        network: str = "vpc-1",
        headers: dict[str, str] | None = None,
    ) -> MetadataAnswer:
        return self.service(MetadataRequest(network, source, method, path, headers or {}))

    def token(self, source: IPv4Address = ADDRESS, seconds: str = "60") -> str:
        answer = self.ask("/latest/api/token", "PUT", source, headers={TOKEN_SECONDS: seconds})
        assert answer.status == 200
        return answer.body.decode()

    def read(self, path: str) -> MetadataAnswer:
        return self.ask(path, headers={TOKEN: self.token()})


@pytest.fixture
def world(region_signer: Signer) -> World:
    return World(region_signer, a_guest())


def test_without_a_token_nothing_is_read_where_tokens_are_required(world: World) -> None:
    assert world.ask("/latest/meta-data/instance-id").status == 401
    assert world.ask("/latest/user-data").status == 401
    assert world.read("/latest/meta-data/instance-id").body == b"i-1"


def test_a_made_up_token_is_refused_even_where_tokens_are_optional(world: World) -> None:
    world.guests["vpc-1", ADDRESS] = replace(a_guest(), tokens_required=False)
    assert world.ask("/latest/meta-data/instance-id").status == 200
    for made_up in ("", "abc", "ü", "AAAAAAAAAAAAAAAAAAAA"):
        assert world.ask("/latest/meta-data/instance-id", headers={TOKEN: made_up}).status == 401


def test_a_token_of_another_machine_is_refused(world: World) -> None:
    foreign = world.token(OTHER)
    assert world.ask("/latest/meta-data/instance-id", headers={TOKEN: foreign}).status == 401


def test_a_token_ends_after_its_seconds(world: World) -> None:
    token = world.token(seconds="60")
    world.now += 59
    assert world.ask("/latest/meta-data/mac", headers={TOKEN: token}).status == 200
    world.now += 1
    assert world.ask("/latest/meta-data/mac", headers={TOKEN: token}).status == 401


@pytest.mark.parametrize("seconds", ["0", "21601", "-1", "1.5", "ten", "", "\u0663"])
def test_a_token_needs_a_time_to_live_in_range(world: World, seconds: str) -> None:
    answer = world.ask("/latest/api/token", "PUT", headers={TOKEN_SECONDS: seconds})
    assert answer.status == 400
    assert world.ask("/latest/api/token", "PUT").status == 400


def test_a_forwarded_request_gets_no_token(world: World) -> None:
    headers = {TOKEN_SECONDS: "60", "x-forwarded-for": "10.0.0.99"}
    assert world.ask("/latest/api/token", "PUT", headers=headers).status == 403


@pytest.mark.parametrize("limit", [1, 2, 64])
def test_the_token_travels_as_many_hops_as_the_instance_allows(world: World, limit: int) -> None:
    world.guests["vpc-1", ADDRESS] = replace(a_guest(), hop_limit=limit)
    answer = world.ask("/latest/api/token", "PUT", headers={TOKEN_SECONDS: "60"})
    assert answer.hops == limit
    assert answer.headers[TOKEN_SECONDS] == "60"


def test_a_switched_off_endpoint_refuses_the_tree_and_the_token(world: World) -> None:
    world.guests["vpc-1", ADDRESS] = replace(a_guest(), endpoint_enabled=False)
    assert world.ask("/latest/api/token", "PUT", headers={TOKEN_SECONDS: "60"}).status == 403
    assert world.ask("/latest/meta-data/").status == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("local-ipv4", "10.0.0.7"),
        ("public-ipv4", "198.18.0.9"),
        ("placement/region", "eu-central-1"),
        ("placement/availability-zone", "eu-central-1b"),
        ("instance-type", "m5.large"),
        ("instance-life-cycle", "on-demand"),
        ("ami-id", "ami-1"),
        ("security-groups", "default\nworkers"),
        ("hostname", "ip-10-0-0-7.eu-central-1.compute.internal"),
        ("placement", "availability-zone\nregion"),
        ("placement/", "availability-zone\nregion"),
    ],
)
def test_the_tree_answers_what_the_cloud_knows(world: World, path: str, body: str) -> None:
    assert world.read(f"/latest/meta-data/{path}").body.decode() == body
    assert world.read(f"/2021-03-23/meta-data/{path}").body.decode() == body


def test_folders_list_their_children(world: World) -> None:
    assert b"placement/" in world.read("/latest/meta-data/").body.split(b"\n")
    assert world.read("/latest").body == b"dynamic\nmeta-data\nuser-data"
    assert world.read("/").body == b"latest"
    assert b"rsa2048" in world.read("/latest/dynamic/instance-identity/").body


@pytest.mark.parametrize(
    "path",
    [
        "meta-data/nothing",
        "meta-data/spot/instance-action",
        "meta-data/spot/termination-time",
        "meta-data/events/recommendations/rebalance",
        "meta-data/tags/instance/",
        "dynamic/other",
        "dynamic/instance-identity/other",
        "user-data/below",
        "other",
    ],
)
def test_what_is_not_there_is_404(world: World, path: str) -> None:
    assert world.read(f"/latest/{path}").status == 404
    assert world.read("/v1/meta-data/mac").status == 404


def test_a_spot_notice_appears_when_it_is_given(world: World) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    noticed = replace(a_guest(), spot=True, interruption=when, rebalance=when)
    world.guests["vpc-1", ADDRESS] = noticed
    action = json.loads(world.read("/latest/meta-data/spot/instance-action").body)
    assert action == {"action": "terminate", "time": "2026-01-02T03:04:05Z"}
    termination = world.read("/latest/meta-data/spot/termination-time").body
    assert termination == b"2026-01-02T03:04:05Z"
    rebalance = world.read("/latest/meta-data/events/recommendations/rebalance").body
    assert json.loads(rebalance) == {"noticeTime": "2026-01-02T03:04:05Z"}
    assert world.read("/latest/meta-data/instance-life-cycle").body == b"spot"


def test_tags_are_shown_only_when_enabled(world: World) -> None:
    tagged = replace(a_guest(), tags={"Name": "one", "holdfast:cluster": "two"})
    world.guests["vpc-1", ADDRESS] = tagged
    assert world.read("/latest/meta-data/tags/instance/").body == b"Name\nholdfast:cluster"
    assert world.read("/latest/meta-data/tags/instance/Name").body == b"one"


def test_user_data_is_byte_exact_and_404_without(world: World) -> None:
    assert world.read("/latest/user-data").body == b"#!/bin/sh\n\x00\xff"
    world.guests["vpc-1", ADDRESS] = replace(a_guest(), user_data=None)
    assert world.read("/latest/user-data").status == 404


def test_an_unknown_address_gets_404_and_is_reported(world: World) -> None:
    answer = world.ask("/latest/meta-data/", source=IPv4Address("10.0.0.99"))
    assert answer.status == 404
    assert world.ask("/latest/meta-data/", network="vpc-2").status == 404
    assert [str(request.source) for request in world.strangers] == ["10.0.0.99", "10.0.0.7"]


def test_a_fault_silences_one_machine_and_its_end_is_the_end(world: World) -> None:
    world.silent.add("i-1")
    assert world.ask("/latest/api/token", "PUT").status == 503
    assert world.ask("/holdfast-sandbox/nocloud/user-data").status == 503
    assert world.ask("/holdfast-sandbox/nocloud/user-data", source=OTHER).status == 200
    world.silent.clear()
    assert world.ask("/holdfast-sandbox/nocloud/user-data").status == 200


def test_the_seed_needs_no_token_and_travels_one_hop(world: World) -> None:
    seed = {
        name: world.ask(f"/holdfast-sandbox/nocloud/{name}")
        for name in ("meta-data", "user-data", "vendor-data")
    }
    assert {answer.status for answer in seed.values()} == {200}
    assert {answer.hops for answer in seed.values()} == {1}
    assert json.loads(seed["meta-data"].body)["instance-id"] == "i-1"
    assert seed["user-data"].body == b"#!/bin/sh\n\x00\xff"
    assert seed["vendor-data"].body == b""
    assert world.ask("/holdfast-sandbox/nocloud/network-config").status == 404
    assert world.ask("/holdfast-sandbox/nocloud/user-data", "PUT").status == 404


def test_other_methods_are_refused(world: World) -> None:
    assert world.ask("/latest/meta-data/", "POST").status == 405
    assert world.ask("/latest/meta-data/", "PUT").status == 405
