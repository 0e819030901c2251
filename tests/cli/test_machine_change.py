"""holdfast machine add, delete, replace; holdfast cluster replace."""

import json
from typing import Any

import pytest
from tests.api.platform import Platform
from tests.cli.terminal import Terminal
from tests.client.served import Served

from holdfast.model.machine import Machine


@pytest.fixture
def cluster(terminal: Terminal, served: Served) -> list[Machine]:
    """A cluster "web" of one control plane and three workers, all ready."""
    terminal("credentials", "add", "prod")
    words = ("cluster", "create", "web", "--credentials", "prod", "--yes", "--output", "json")
    made: dict[str, Any] = json.loads(terminal(*words).out)

    async def up(platform: Platform) -> list[Machine]:
        return await platform.machines(made["id"])

    return served.play(up)


def listed(terminal: Terminal) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(
        terminal("machine", "list", "web", "--output", "json").out
    )["items"]
    return items


def test_machines_are_added_by_kind_and_count(terminal: Terminal, cluster: list[Machine]) -> None:
    words = ("machine", "add", "web", "--node", "aws:worker:small", "--count", "2", "--yes")
    said = terminal(*words, "--output", "json")
    assert said.code == 0, said.err
    phases = [item["state"]["phase"] for item in json.loads(said.out)["items"]]
    assert phases == ["ready"] * len(cluster) + ["pending"] * 2
    assert "change" in said.err


def test_a_dry_run_shows_machines_and_the_difference_and_changes_nothing(
    terminal: Terminal, cluster: list[Machine]
) -> None:
    words = ("machine", "add", "web", "--node", "aws:worker:m5.xlarge", "--dry-run")
    said = terminal(*words, "--output", "json")
    plan = json.loads(said.out)
    assert [one["instanceType"] for one in plan["add"]] == ["m5.xlarge"]
    assert float(plan["cost"]["change"]["hourly"]) > 0
    assert "m5.xlarge" in terminal(*words).out
    less = terminal("machine", "delete", "web", cluster[1].id, "--dry-run", "--output", "json")
    assert float(json.loads(less.out)["cost"]["change"]["hourly"]) < 0
    assert [item["state"]["phase"] for item in listed(terminal)] == ["ready"] * len(cluster)


def test_a_machine_is_taken_out_and_drains(terminal: Terminal, cluster: list[Machine]) -> None:
    words = ("machine", "delete", "web", cluster[1].id, "--drain-timeout", "60", "--yes")
    assert terminal(*words).code == 0
    phases = {item["id"]: item["state"]["phase"] for item in listed(terminal)}
    assert phases[cluster[1].id] == "draining"


def test_what_is_asked_is_confirmed_first(terminal: Terminal, cluster: list[Machine]) -> None:
    for words in (
        ("add", "web", "--node", "aws:worker:small"),
        ("delete", "web", cluster[1].id),
        ("replace", "web", cluster[1].id),
    ):
        said = terminal("machine", *words)
        assert said.code == 2
        assert "--yes" in said.err
    assert terminal("cluster", "replace", "web").code == 2
    assert [item["state"]["phase"] for item in listed(terminal)] == ["ready"] * len(cluster)


@pytest.mark.parametrize(
    "words",
    [("delete", "web", "--yes"), ("replace", "web", "--yes"),
     ("add", "web", "--node", "aws:worker", "--yes"),
     ("add", "web", "--node", "aws:worker:small", "--count", "0", "--yes")],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(
    terminal: Terminal, cluster: list[Machine], words: tuple[str, ...]
) -> None:
    said = terminal("machine", *words)
    assert said.code == 2, said
    assert said.err.startswith("error: ")


def test_refusals_are_shown_without_a_traceback(terminal: Terminal, cluster: list[Machine]) -> None:
    said = terminal("machine", "delete", "web", cluster[0].id, "--yes")
    assert said.code != 0
    assert "delete the cluster instead" in said.err
    said = terminal("machine", "add", "web", "--node", "aws:worker:huge", "--yes")
    assert said.code != 0
    assert "add[0].shape" in said.err
    assert "Traceback" not in said.err


def test_machines_are_replaced_one_or_all(terminal: Terminal, cluster: list[Machine]) -> None:
    words = ("machine", "replace", "web", cluster[1].id, "--reason", "a new image", "--yes")
    assert terminal(*words).code == 0
    assert terminal("cluster", "replace", "web", "--yes").code == 0
    said = terminal("machine", "replace", "web", cluster[0].id, "--yes")
    assert said.code != 0
    assert "the only control plane" in said.err
