"""Carries out the platform's signed orders, each once.

remove-etcd-member {"name", "peerIp"}   take a lost control plane out of etcd
"""

import json
import logging
import queue
import shutil
import threading
import time
from typing import Any

from holdfast.agent import commands
from holdfast.agent.report import Reports
from holdfast.agent.state import State

SECONDS = 15.0
PKI = "/etc/kubernetes/pki/etcd"

log = logging.getLogger(__name__)

Order = dict[str, Any]


class OrderFailed(Exception):
    """An order could not be carried out; the text goes to the platform."""


class Orders:
    """Orders in the sequence in which they came."""

    def __init__(self, state: State, reports: Reports) -> None:
        self._state = state
        self._reports = reports
        self._queue: queue.Queue[Order] = queue.Queue()
        self._taken: set[str] = set()

    def take(self, orders: list[Order]) -> None:
        """Accept orders of an answer; those known already are told again or left to their run."""
        for order in orders:
            known = self._state.order_result(str(order["id"]))
            if known is not None:
                self._reports.send("order-done", **known)
            elif order["id"] not in self._taken:
                self._taken.add(order["id"])
                self._queue.put(order)

    def work(self, stop: threading.Event) -> None:
        """Carry out what was taken, until stopped."""
        while not stop.is_set():
            try:
                order = self._queue.get(timeout=1.0)
            except queue.Empty:
                continue
            self._carry_out(order)

    def _carry_out(self, order: Order) -> None:
        identity, kind = str(order["id"]), str(order["kind"])
        try:
            ok, message = True, obey(kind, order.get("arguments") or {})
        except OrderFailed as error:
            ok, message = False, str(error)
        log.info("order %s %s: %s", kind, identity, message)
        result: dict[str, Any] = {"orderId": identity, "ok": ok, "message": message}
        self._state.note_order(identity, result)
        self._reports.send("order-done", **result)


def obey(kind: str, arguments: dict[str, Any]) -> str:
    """Carry out one order and say what became of it. Raises OrderFailed."""
    if kind != "remove-etcd-member":
        raise OrderFailed(f"this agent knows no order {kind!r}")
    return remove_member(str(arguments.get("name", "")), str(arguments.get("peerIp", "")))


def remove_member(name: str, peer_ip: str) -> str:
    """Take an etcd member out, voter or learner, found by its name or its peer address.

    One that is not there is fine. Raises OrderFailed when etcd refuses or does not answer.
    """
    member = _find(_members(), name, peer_ip)
    if member is None:
        return f"etcd has no member {name}"
    identity = f"{int(member['ID']):x}"
    done = _etcdctl("member", "remove", identity)
    if not done.ok and _find(_members(), name, peer_ip) is not None:
        raise OrderFailed(f"etcd member {name} ({identity}): {_last_line(done.output)}")
    return f"etcd member {name} ({identity}) removed"


def _members() -> list[dict[str, Any]]:
    done = _etcdctl("member", "list", "--write-out=json")
    start = done.output.find("{")
    if not done.ok or start < 0:
        raise OrderFailed(f"etcd does not list its members: {_last_line(done.output)}")
    try:
        # Warnings may stand before and behind the answer.
        listed, _ = json.JSONDecoder().raw_decode(done.output[start:])
        members: list[dict[str, Any]] = listed["members"]
    except (ValueError, KeyError) as error:
        raise OrderFailed(f"etcd's list of members cannot be read: {done.output[-200:]}") from error
    return members


def _find(members: list[dict[str, Any]], name: str, peer_ip: str) -> dict[str, Any] | None:
    """The member of that address, else of that name: a member that never started has no name."""
    peer = f"https://{peer_ip}:2380"
    by_address = (m for m in members if peer in (m.get("peerURLs") or []))
    by_name = (m for m in members if name and m.get("name") == name)
    return next(by_address, None) or next(by_name, None)


def _etcdctl(*arguments: str) -> commands.Done:
    """etcdctl on the host when there is one, else the one in the container of etcd."""
    credentials = (
        "--endpoints=https://127.0.0.1:2379",
        f"--cacert={PKI}/ca.crt",
        f"--cert={PKI}/server.crt",
        f"--key={PKI}/server.key",
        "--command-timeout=10s",
    )
    if shutil.which("etcdctl"):
        return commands.run(["etcdctl", *credentials, *arguments], SECONDS)
    container = _etcd_container()
    if container is None:
        raise OrderFailed("no container of etcd runs on this machine")
    start = ["ctr", "-n", "k8s.io", "tasks", "exec", "--exec-id", _new_id()]
    return commands.run([*start, container, "etcdctl", *credentials, *arguments], SECONDS)


def _etcd_container() -> str | None:
    known = commands.run(
        [
            *("ctr", "-n", "k8s.io", "containers", "list", "-q"),
            'labels."io.kubernetes.container.name"==etcd',
        ],
        SECONDS,
    )
    tasks = commands.run(["ctr", "-n", "k8s.io", "tasks", "list"], SECONDS)
    running = {line.split()[0] for line in tasks.output.splitlines() if "RUNNING" in line}
    return next((c for c in known.output.split() if c in running), None)


def _new_id() -> str:
    return f"holdfast-{time.monotonic_ns()}"


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1][:500] if lines else "no answer"
