"""Orders: the right etcd member, once, and an honest report."""

import json
import queue
from pathlib import Path
from typing import Any

import pytest
from tests.agent.programs import Programs, a_directory

from holdfast.agent import orders
from holdfast.agent.orders import OrderFailed, Orders
from holdfast.agent.state import State

MEMBERS = [
    {"ID": 1, "name": "cp-1", "peerURLs": ["https://10.10.0.4:2380"]},
    {"ID": 0xBEEF, "name": "cp-2", "peerURLs": ["https://10.10.0.5:2380"]},
    {"ID": 18446744073709551615, "peerURLs": ["https://10.10.0.6:2380"], "isLearner": True},
]


def etcdctl(programs: Programs, members: list[dict[str, Any]], remove: str = "exit 0") -> None:
    listed = json.dumps({"members": members})
    script = f"""case "$*" in
*"member list"*) echo 'warning: old'; echo '{listed}';;
*"member remove"*) {remove};;
esac"""
    programs.add("etcdctl", script)


def removed(programs: Programs) -> list[str]:
    return [call.split("member remove ")[1] for call in programs.calls if "member remove" in call]


@pytest.mark.fault("F36", "P")
@pytest.mark.parametrize(
    ("name", "address", "identity"),
    [
        ("cp-2", "10.10.0.5", "beef"),
        ("cp-2", "", "beef"),
        ("never started", "10.10.0.6", "ffffffffffffffff"),
        ("cp-1", "10.10.0.5", "beef"),
    ],
)
def test_a_member_is_found_by_its_address_or_else_its_name(
    name: str, address: str, identity: str, programs: Programs
) -> None:
    etcdctl(programs, MEMBERS)
    assert "removed" in orders.remove_member(name, address)
    assert removed(programs) == [identity]


def test_one_that_is_gone_is_fine(programs: Programs) -> None:
    etcdctl(programs, MEMBERS)
    assert orders.remove_member("cp-9", "10.10.0.9") == "etcd has no member cp-9"
    assert removed(programs) == []


@pytest.mark.fault("F35", "P")
def test_a_refusal_of_etcd_is_told(programs: Programs) -> None:
    etcdctl(programs, MEMBERS, "echo 'not enough started members' >&2; exit 1")
    with pytest.raises(OrderFailed, match=r"cp-2 \(beef\): not enough started members"):
        orders.remove_member("cp-2", "10.10.0.5")


def test_etcd_that_does_not_answer_is_told(programs: Programs) -> None:
    programs.add("etcdctl", "echo 'context deadline exceeded' >&2; exit 1")
    with pytest.raises(OrderFailed, match="does not list its members: context deadline"):
        orders.remove_member("cp-2", "10.10.0.5")


def test_without_a_programme_on_the_host_the_one_in_the_container_is_used(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs.directory}:/nowhere")
    listed = json.dumps({"members": MEMBERS})
    programs.add(
        "ctr",
        f"""case "$*" in
*"containers list"*) printf 'dead\\nliving\\n';;
*"tasks list"*) printf 'TASK PID STATUS\\nliving 7 RUNNING\\ndead 8 STOPPED\\n';;
*"member list"*) echo '{listed}';;
esac""",
    )
    assert "removed" in orders.remove_member("cp-2", "10.10.0.5")
    calls = [call for call in programs.calls if "exec" in call]
    assert all(" living etcdctl --endpoints=https://127.0.0.1:2379" in call for call in calls)
    assert len({call.split("--exec-id ")[1].split()[0] for call in calls}) == len(calls)


class Told:
    """Reports that are only remembered."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        assert kind == "order-done"
        self.sent.append(fields)


def work(given: Orders) -> None:
    """Carry out what is queued."""
    while True:
        try:
            given._carry_out(given._queue.get_nowait())
        except queue.Empty:
            return


ORDER = {
    "id": "o1",
    "kind": "remove-etcd-member",
    "arguments": {"name": "cp-2", "peerIp": "10.10.0.5"},
}


def test_an_order_is_carried_out_once_also_over_a_restart(
    tmp_path: Path, programs: Programs
) -> None:
    etcdctl(programs, MEMBERS)
    directory = a_directory(tmp_path)
    told = Told()
    first = Orders(State(directory), told)  # type: ignore[arg-type]
    first.take([ORDER])
    first.take([ORDER])
    work(first)
    again = Orders(State(directory), told)  # type: ignore[arg-type]
    again.take([ORDER])
    work(again)
    assert removed(programs) == ["beef"]
    assert [report["ok"] for report in told.sent] == [True, True]
    assert told.sent[0] == told.sent[1]


def test_an_unknown_order_is_refused_and_told(tmp_path: Path) -> None:
    told = Told()
    given = Orders(State(a_directory(tmp_path)), told)  # type: ignore[arg-type]
    given.take([{"id": "o2", "kind": "dance", "arguments": {}}])
    work(given)
    assert told.sent == [
        {"orderId": "o2", "ok": False, "message": "this agent knows no order 'dance'"}
    ]
