"""Machines that are killed, frozen, restarted, or end by themselves."""

import os
import signal
from pathlib import Path

import pytest
from tests.booted.machines.conftest import Bench, eventually

from holdfast_sandbox.machines.runner import NoSuchMachine, NotRunning
from holdfast_sandbox.ports import BootFailed, MachineState

pytestmark = [pytest.mark.booted, pytest.mark.timeout(180)]


def test_a_killed_machine_keeps_disk_and_console_and_starts_again(
    bench: Bench, machine: str
) -> None:
    bench.run(machine, "echo kept > /root/file; (sleep 600 </dev/null >/dev/null 2>&1 &)")
    first_boot = bench.run(machine, "cat /proc/sys/kernel/random/boot_id")
    eventually(lambda: bench.machines.console(machine))  # systemd's first words take a moment
    bench.machines.kill(machine)
    assert (machine, "killed") in bench.ended
    status = bench.machines.status()[machine]
    assert (status.state, status.pid, status.reason) == (MachineState.GONE, None, "killed")
    assert bench.machines.console(machine)
    with pytest.raises(NotRunning, match="is gone"):
        bench.machines.execute(machine, ["true"])
    bench.machines.reboot(machine)
    assert bench.run(machine, "cat /root/file") == "kept"
    assert bench.run(machine, "cat /proc/sys/kernel/random/boot_id") != first_boot
    bench.run(machine, "ping -c 1 -W 5 10.9.0.1")


def test_a_frozen_machine_stands_still_and_goes_on_when_thawed(bench: Bench, machine: str) -> None:
    ticker = "(while :; do echo x >> /root/ticks; sleep 0.01; done </dev/null >/dev/null 2>&1 &)"
    bench.run(machine, ticker)
    ticks = Path(f"/proc/{bench.machines.status()[machine].pid}/root/root/ticks")
    eventually(lambda: ticks.exists() and ticks.stat().st_size > 10)
    bench.machines.freeze(machine)
    assert bench.state(machine) is MachineState.FROZEN
    still = ticks.stat().st_size
    with pytest.raises(NotRunning, match="is frozen"):
        bench.machines.execute(machine, ["true"])
    assert ticks.stat().st_size == still
    bench.machines.thaw(machine)
    eventually(lambda: ticks.stat().st_size > still)
    assert bench.state(machine) is MachineState.RUNNING


def test_a_frozen_machine_can_be_killed(bench: Bench, machine: str) -> None:
    bench.machines.freeze(machine)
    bench.machines.kill(machine)
    assert bench.state(machine) is MachineState.GONE


def test_a_guest_that_powers_off_is_reported(bench: Bench, machine: str) -> None:
    bench.machines.execute(machine, ["systemctl", "--force", "--force", "poweroff"])
    eventually(lambda: (machine, "guest powered off") in bench.ended)
    assert bench.state(machine) is MachineState.GONE


def test_a_guest_that_restarts_comes_back_unreported(bench: Bench, machine: str) -> None:
    first = bench.machines.status()[machine].pid
    bench.machines.execute(machine, ["systemctl", "--force", "--force", "reboot"])
    eventually(
        lambda: (
            bench.state(machine) is MachineState.RUNNING
            and bench.machines.status()[machine].pid not in (first, None)
        )
    )
    assert machine not in [who for who, _ in bench.ended]
    bench.run(machine, "ping -c 1 -W 5 10.9.0.1")


def test_a_kill_from_outside_is_reported(bench: Bench, machine: str) -> None:
    pid = bench.machines.status()[machine].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: (machine, "init was killed") in bench.ended)


def test_an_init_that_is_missing_is_a_failed_boot_with_its_reason() -> None:
    bench = Bench(f"test-{os.getpid()}-bad", init="/no/such/init")
    try:
        with pytest.raises(BootFailed, match="No such file or directory"):
            bench.boot()
        (status,) = bench.machines.status().values()
        assert status.state is MachineState.GONE
        assert "/no/such/init" in bench.machines.console(status.id)
        bench.machines.destroy(status.id)
        bench.machines.destroy(status.id)
        with pytest.raises(NoSuchMachine):
            bench.machines.console(status.id)
        assert bench.ended == []
    finally:
        bench.close()
