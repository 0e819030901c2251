"""The commands: results, exit codes, confirmation; never a traceback, never a secret."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.api.platform import AT, OTHER_ACCOUNT_KEY, SECRET, Platform, a_region
from tests.api.test_clusters import a_certificate
from tests.api.test_kubeconfig import usable
from tests.cli.terminal import Terminal
from tests.client.served import Served

from holdfast.model.event import NewEvent, Severity
from holdfast.model.ids import ClusterId
from holdfast.model.status import ClusterPhase, Condition, ConditionType


def _make(terminal: Terminal, name: str = "web") -> dict[str, Any]:
    if "prod" not in terminal("credentials", "list").out:
        assert terminal("credentials", "add", "prod").code == 0
    words = ("cluster", "create", name, "--credentials", "prod", "--yes", "--output", "json")
    said = terminal(*words)
    assert said.code == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    return made


def test_help_names_every_command(terminal: Terminal) -> None:
    for words in ((), ("--help",), ("help",)):
        said = terminal(*words)
        assert said.code == 0
        for name in ("cluster", "machine", "credentials", "region", "serve", "sandbox"):
            assert name in said.out


@pytest.mark.parametrize("noun", ["cluster", "machine", "credentials", "region", "sandbox"])
def test_each_noun_has_help(terminal: Terminal, noun: str) -> None:
    said = terminal(noun, "--help")
    assert said.code == 0
    assert "Commands" in said.out


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("cluster", "nonsense"),
        ("cluster", "get"),
        ("cluster", "list", "--nonsense"),
        ("cluster", "list", "--output", "xml"),
        ("cluster", "create", "web"),
        ("cluster", "create", "web", "--credentials", "prod", "--tag", "novalue"),
        ("cluster", "create", "web", "--credentials", "prod", "--node", "aws:master"),
        ("cluster", "create", "web", "--credentials", "prod", "--node", "aws:king:medium"),
        ("credentials", "add", "x", "--cloud", "gcp"),
        ("credentials", "add", "x", "--file", "/does/not/exist"),
    ],
)
def test_wrong_usage_is_exit_code_2(terminal: Terminal, words: tuple[str, ...]) -> None:
    terminal("credentials", "add", "prod")
    said = terminal(*words)
    assert said.code == 2, said
    assert said.err.startswith("error: ")
    assert said.out == ""


def test_without_an_address_the_hint_is_exit_code_2(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOLDFAST_URL")
    said = terminal("cluster", "list")
    assert said.code == 2
    assert "HOLDFAST_URL" in said.err


def test_nobody_listening_is_exit_code_5(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_URL", "http://127.0.0.1:9")
    assert terminal("cluster", "list").code == 5


def test_a_wrong_token_is_exit_code_4(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", "hf_wrong")
    said = terminal("cluster", "list")
    assert said.code == 4
    assert "token" in said.err
    assert "hf_wrong" not in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("cluster", "get", "absent"),
        ("cluster", "delete", "absent", "--yes"),
        ("cluster", "get", "00000000-0000-4000-8000-000000000000"),
        ("machine", "list", "absent"),
        ("credentials", "check", "absent"),
        ("cluster", "certificate", "absent"),
        ("cluster", "create", "web", "--credentials", "absent"),
    ],
)
def test_unknown_things_are_exit_code_3(terminal: Terminal, words: tuple[str, ...]) -> None:
    said = terminal(*words)
    assert said.code == 3
    assert words[-1].strip("-") in said.err or "absent" in said.err


def test_credentials_are_added_listed_checked_and_removed(terminal: Terminal) -> None:
    added = terminal("credentials", "add", "prod")
    assert added.code == 0
    assert "111111111111" in added.out
    listed = terminal("credentials", "list")
    assert listed.out.splitlines()[0].split()[:3] == ["NAME", "CLOUD", "ACCOUNT"]
    checked = terminal("credentials", "check", "PROD")
    assert checked.code == 0
    assert "L-1216C47A" in checked.out
    assert terminal("credentials", "remove", "prod", types="n\n").code == 1
    assert terminal("credentials", "remove", "prod").code == 2
    assert terminal("credentials", "remove", "prod", types="y\n").code == 0
    assert terminal("credentials", "list", "--output", "json").out.strip() == (
        json.dumps({"items": []}, indent=2)
    )
    assert SECRET not in added.out + added.err + listed.out + checked.out


def test_credentials_come_from_a_file_too(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"accessKeyId": "AKIAWRONG", "secretAccessKey": SECRET}))
    said = terminal("credentials", "add", "prod", "--file", str(file))
    assert said.code == 4
    assert "InvalidClientTokenId" in said.err
    file.write_text(SECRET)
    said = terminal("credentials", "add", "prod", "--file", str(file))
    assert said.code == 2
    assert SECRET not in said.err


def test_a_key_of_another_account_is_refused_by_rotate(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal("credentials", "add", "prod")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OTHER_ACCOUNT_KEY)
    said = terminal("credentials", "rotate", "prod")
    assert said.code == 4
    assert "222222222222" in said.err


def test_create_shows_plan_and_price_and_asks(terminal: Terminal) -> None:
    terminal("credentials", "add", "prod")
    words = ("cluster", "create", "web", "--credentials", "prod", "--preset", "basic")
    refused = terminal(*words, types="n\n")
    assert refused.code == 1
    assert "t3a.large" in refused.err
    assert "per month" in refused.err
    assert terminal(*words).code == 2  # nobody to ask
    assert terminal("cluster", "list", "--output", "name").out == ""
    made = terminal(*words, types="yes\n")
    assert made.code == 0
    assert "creating" in made.out
    assert terminal("cluster", "list", "--output", "name").out == "web\n"


def test_a_dry_run_makes_nothing(terminal: Terminal, served: Served) -> None:
    terminal("credentials", "add", "prod")
    words = ("cluster", "create", "web", "--credentials", "prod", "--dry-run")
    said = terminal(*words)
    assert said.code == 0
    assert "total: $" in said.out
    plan = json.loads(terminal(*words, "--output", "json").out)
    assert len(plan["machines"]) == 4
    assert terminal("cluster", "list", "--output", "name").out == ""

    async def shrink(platform: Platform) -> None:
        platform.accounts.region = a_region(vcpus=3)

    served.play(shrink)
    terminal("credentials", "check", "prod")
    said = terminal(*words)
    assert said.code == 4
    assert "allows 3 vCPU" in said.err


def test_a_taken_name_and_bad_input_are_exit_code_4(terminal: Terminal) -> None:
    _make(terminal)
    words = ("cluster", "create", "web", "--credentials", "prod", "--yes")
    said = terminal(*words)
    assert said.code == 4
    assert "already taken" in said.err
    said = terminal(*words, "--region", "moon", "--kubernetes-version", "1.2.3")
    assert said.code == 4
    assert "eu-central" in said.err
    assert "1.37.2" in said.err


def test_nodes_tags_and_range_are_sent(terminal: Terminal) -> None:
    terminal("credentials", "add", "prod")
    words = ["cluster", "create", "web", "--credentials", "prod", "--yes", "--output", "json"]
    words += ["--node", "aws:control-plane:medium", "--node", "aws:worker:t3.medium:spot"]
    words += ["--tag", "team=shop", "--vpc-cidr", "10.50.0.0/16"]
    made = json.loads(terminal(*words).out)
    assert [node["role"] for node in made["nodes"]] == ["master", "worker"]
    assert made["nodes"][1]["spotConfig"] == {"isSpot": True}
    assert made["tags"] == {"team": "shop"}
    assert made["network"]["aws"]["vpcCidr"] == "10.50.0.0/16"


@pytest.mark.parametrize("output", ["json", "yaml", "table", "name"])
def test_results_are_shown_in_every_format(terminal: Terminal, output: str) -> None:
    made = _make(terminal)
    for words in (("cluster", "list"), ("cluster", "get", "web"), ("machine", "list", "web")):
        said = terminal(*words, "--output", output)
        assert said.code == 0
        assert "web" in said.out
        if output == "json":
            json.loads(said.out)
        if output == "yaml":
            yaml.safe_load(said.out)
    got = terminal("cluster", "get", made["id"], "--output", "json")
    assert json.loads(got.out)["id"] == made["id"]


def test_a_machine_is_found_by_the_end_of_its_name(terminal: Terminal) -> None:
    made = _make(terminal)
    name = made["nodes"][0]["name"]
    for text in (name, name.rpartition("-")[2], made["nodes"][0]["id"]):
        said = terminal("machine", "get", "web", text)
        assert said.code == 0
        assert name in said.out


def test_delete_asks_for_the_name(terminal: Terminal) -> None:
    _make(terminal)
    assert terminal("cluster", "delete", "web").code == 2
    assert terminal("cluster", "delete", "web", types="wbe\n").code == 1
    assert "creating" in terminal("cluster", "get", "web").out
    assert terminal("cluster", "delete", "web", types="web\n").code == 0
    assert "deleting" in terminal("cluster", "get", "web").out


def test_wait_follows_events_until_ready(terminal: Terminal, served: Served) -> None:
    terminal("credentials", "add", "prod")

    async def becomes_ready(platform: Platform) -> None:
        async def on_wake(key: str, _why: object) -> None:
            identity = key.removeprefix("cluster:")
            if identity == key:
                return
            async with platform.store.writing() as tx:
                new = (NewEvent("Told", "network\x1b[2J made"), NewEvent("Phase", "status=ready"))
                await platform.store.events.append(tx, ClusterId(identity), *new)
            await platform.record(identity, phase=ClusterPhase.READY)

        platform.store.on_wake(on_wake)

    served.play(becomes_ready)
    words = ("cluster", "create", "web", "--credentials", "prod", "--yes", "--wait")
    said = terminal(*words, "--timeout", "30", "--output", "name")
    assert said.code == 0, said.err
    assert said.out == "web\n"
    assert "network\\x1b[2J made" in said.err
    assert "\x1b" not in said.err


def test_a_create_that_fails_is_exit_code_1_with_the_reason(
    terminal: Terminal, served: Served
) -> None:
    terminal("credentials", "add", "prod")

    async def fails(platform: Platform) -> None:
        async def on_wake(key: str, _why: object) -> None:
            if key.startswith("cluster:"):
                why = Condition(ConditionType.WORKERS_READY, False, "Quota", "no room left", AT)
                identity = key.removeprefix("cluster:")
                await platform.record(identity, phase=ClusterPhase.FAILED, conditions=(why,))

        platform.store.on_wake(on_wake)

    served.play(fails)
    words = ("cluster", "create", "web", "--credentials", "prod", "--yes", "--wait")
    said = terminal(*words, "--timeout", "30")
    assert said.code == 1
    assert "no room left" in said.err


def test_waiting_too_long_is_exit_code_5(terminal: Terminal) -> None:
    terminal("credentials", "add", "prod")
    words = ("cluster", "create", "web", "--credentials", "prod", "--yes", "--wait")
    said = terminal(*words, "--timeout", "0.1")
    assert said.code == 5
    assert "creating" in said.err


def test_a_blocked_deletion_is_exit_code_4_and_names_the_blocker(
    terminal: Terminal, served: Served
) -> None:
    made = _make(terminal)

    async def blocks(platform: Platform) -> None:
        async def on_wake(key: str, _why: object) -> None:
            why = Condition(ConditionType.UNBLOCKED, False, "Foreign", "i-0f00 is in sg-1", AT)
            await platform.record(made["id"], phase=ClusterPhase.FAILED, conditions=(why,))

        platform.store.on_wake(on_wake)

    served.play(blocks)
    said = terminal("cluster", "delete", "web", "--yes", "--wait", "--timeout", "30")
    assert said.code == 4
    assert "i-0f00" in said.err


def test_a_finished_deletion_prints_the_certificate(terminal: Terminal, served: Served) -> None:
    made = _make(terminal)

    async def ends(platform: Platform) -> None:
        async def on_wake(key: str, _why: object) -> None:
            async with platform.store.writing() as tx:
                await platform.store.certificates.put(tx, a_certificate(made["id"]))
            now = platform.clock.now()
            await platform.record(made["id"], phase=ClusterPhase.DELETED, deleted_at=now)

        platform.store.on_wake(on_wake)

    served.play(ends)
    said = terminal("cluster", "delete", "web", "--yes", "--wait", "--timeout", "30")
    assert said.code == 0, said.err
    assert "vpc-1" in said.out
    assert "deletion requested" in said.err
    assert "creation requested" not in said.err
    assert terminal("cluster", "certificate", "web").out == said.out
    assert terminal("cluster", "list").out.count("\n") == 1
    assert "deleted" in terminal("cluster", "list", "--deleted").out


def test_the_kubeconfig_is_printed_or_written_for_its_owner_only(
    terminal: Terminal, served: Served, tmp_path: Path
) -> None:
    _make(terminal, "early")
    early = terminal("cluster", "kubeconfig", "early")
    assert early.code == 3
    assert "creating" in early.err
    served.play(lambda platform: usable(platform, "web"))
    printed = terminal("cluster", "kubeconfig", "web")
    assert yaml.safe_load(printed.out)["kind"] == "Config"
    path = tmp_path / "config"
    assert terminal("cluster", "kubeconfig", "web", "--path", str(path)).code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    lost = terminal("cluster", "kubeconfig", "web", "--path", "/absent/dir/config")
    assert lost.code == 1


def test_events_and_plan_are_shown(terminal: Terminal, served: Served) -> None:
    made = _make(terminal)
    assert terminal("cluster", "plan", "web").err == "no pass has run yet\n"

    async def tell(platform: Platform) -> None:
        async with platform.store.writing() as tx:
            new = NewEvent("Bad", "a\x07b\u202ec", "x", Severity.ERROR)
            await platform.store.events.append(tx, ClusterId(made["id"]), new)
        waiting = {"subject": "etcd", "reason": "quorum lost", "onPerson": True}
        plan = {"actions": [], "waiting": [waiting]}
        await platform.record(made["id"], plan=plan)

    served.play(tell)
    shown = terminal("cluster", "events", "web")
    assert "a\\x07b\\u202ec" in shown.out
    assert (
        len(json.loads(terminal("cluster", "events", "web", "--output", "json").out)["items"]) == 2
    )
    assert "quorum lost" in terminal("cluster", "plan", "web").out
    assert terminal("cluster", "reconcile", "web").code == 0


def test_the_breaker_is_released_with_a_reason_only(terminal: Terminal) -> None:
    _make(terminal)
    without = terminal("cluster", "release-breaker", "web", "--yes")
    assert (without.code, "reason" in without.err) == (2, True)
    empty = terminal("cluster", "release-breaker", "web", "--yes", "--reason", " ")
    assert empty.code != 0
    assert "say why" in empty.err
    said = terminal("cluster", "release-breaker", "web", "--yes", "--reason", "rack burnt down")
    assert said.code == 0
    assert "released" in said.err
    assert "rack burnt down" in terminal("cluster", "events", "web").out


def test_regions_are_listed(terminal: Terminal) -> None:
    assert terminal("region", "list", "--output", "name").out.splitlines()[0] == "eu-central"


def test_one_cloud_takes_no_wireguard_and_the_error_says_so(terminal: Terminal) -> None:
    assert terminal("credentials", "add", "prod").code == 0
    words = ("cluster", "create", "web", "--credentials", "prod", "--yes", "--vpn", "fullMesh")
    said = terminal(*words)
    assert said.code != 0
    assert "network.vpn.wireGuard" in said.err
    assert terminal(*words[:-1], "ring").code == 2
