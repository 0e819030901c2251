"""The machines of one sandbox on this host: the `Machines` port, made real.

Everything here ends with the process: machines by the kernel's parent-death signal, the rest
(directories, empty cgroups) by the sweep of the next start.
"""

import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from holdfast_sandbox.machines import cgroups, disk, inotify, inside, sweep
from holdfast_sandbox.machines.image import Prepared
from holdfast_sandbox.machines.life import Ground, Links, Machine, why
from holdfast_sandbox.machines.spawn import INIT, Child, Spawner
from holdfast_sandbox.machines.watch import Watch
from holdfast_sandbox.ports import BootFailed, MachineSpec, MachineState, MachineStatus

log = logging.getLogger(__name__)
Ended = Callable[[str, str], None]
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
GUEST_RESTARTED = "guest restarted"


class NoSuchMachine(LookupError):
    """The runner knows no machine of this id."""


class NotRunning(Exception):
    """The machine is gone or frozen, so nothing can run inside."""


class HostMachines:
    """Boots, freezes and ends machines of the sandbox `name` from the image `prepared`.

    `ended(machine_id, reason)` is called, in a thread of the runner, when a machine's processes
    end but by `destroy` or `reboot`: a guest that powers off, a kill from outside, the fault
    `kill`. A guest that restarts itself is started again, unreported, as in a cloud.
    `notice` is a sentence for the user about what was changed on the host, or empty.

    Raises BusyName when a living sandbox has this name, ValueError for a name that is no slug.
    """

    def __init__(
        self, prepared: Prepared, name: str, links: Links, ended: Ended, init: str = INIT
    ) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"a sandbox name has a-z, 0-9 and -, got {name!r}")
        self._store = prepared.store
        with sweep.doorway(self._store):
            sweep.sweep_within(self._store)
            self._claim = sweep.claim(self._store, name)
            self.notice = inotify.enlarge(self._claim.family)
        self._golden = prepared.golden
        self._ended = ended
        self._machines: dict[str, tuple[Machine, threading.RLock]] = {}
        self._lock = threading.Lock()
        self._open = True
        self._ground = Ground(
            lower=prepared.lower,
            init=init,
            cgroups=cgroups.of_host(name),
            links=links,
            spawner=Spawner(),
            watch=Watch(),
        )

    def create(self, spec: MachineSpec) -> None:
        """Boot a machine; returns when its init has taken over.

        Raises BootFailed with the reason; the machine is then known as gone, with its console,
        until `destroy`. Raises ValueError for an id that is in use or is no slug.
        """
        if not NAME.fullmatch(spec.id):
            raise ValueError(f"a machine id has a-z, 0-9 and -, got {spec.id!r}")
        lock = threading.RLock()
        with lock:
            machine = self._add(spec, lock)
            try:
                disk.make(machine.directory, spec, self._golden)
            except (OSError, subprocess.SubprocessError) as error:
                machine.end("no disk")
                raise BootFailed(f"no disk for machine {spec.id}: {error}") from error
            machine.start()

    def destroy(self, machine_id: str) -> None:
        """End a machine and remove all that it had. Accepts one that is gone already."""
        try:
            machine, lock = self._locked(machine_id)
        except NoSuchMachine:
            return
        with lock:
            if machine.state is not MachineState.GONE:
                machine.end("destroyed")
            with self._lock:
                if self._machines.pop(machine_id, None) is None:
                    return  # destroyed by another thread meanwhile
            machine.close()
            _remove(machine.directory)

    def kill(self, machine_id: str) -> None:
        """Fault: end its processes at once and keep its disk. Reported through `ended`."""
        machine, lock = self._locked(machine_id)
        with lock:
            if machine.state is MachineState.GONE:
                return
            machine.end("killed")
        self._ended(machine_id, "killed")

    def freeze(self, machine_id: str) -> None:
        """Fault: stop its processes without ending them; the link is cut by the fabric."""
        machine, lock = self._locked(machine_id)
        with lock:
            machine.freeze(frozen=True)

    def thaw(self, machine_id: str) -> None:
        """Undo `freeze`."""
        machine, lock = self._locked(machine_id)
        with lock:
            machine.freeze(frozen=False)

    def reboot(self, machine_id: str) -> None:
        """Stop and start with the same disk, address and MAC; also starts one that was killed.

        Raises BootFailed; the machine is gone then.
        """
        machine, lock = self._locked(machine_id)
        with lock:
            if machine.state is not MachineState.GONE:
                machine.end("rebooting")
            machine.start()

    def execute(self, machine_id: str, command: list[str], timeout: float = 30) -> tuple[int, str]:
        """Run a command inside; returns its exit code and its output (4 MiB at most).

        Raises NotRunning for a machine that is gone or frozen, TimeoutError after `timeout` s.
        """
        machine, _ = self._locked(machine_id)
        pid = machine.pid
        if pid is None or machine.state is not MachineState.RUNNING:
            raise NotRunning(f"machine {machine_id} is {machine.state}")
        return inside.run(pid, machine.joins, command, timeout)

    def console(self, machine_id: str) -> str:
        """The console log so far, at most its last 64 KiB; kept until `destroy`."""
        return self._locked(machine_id)[0].console.text()

    def directory(self, machine_id: str) -> Path:
        """Where a machine's disk lies on the host, see disk.py."""
        return self._locked(machine_id)[0].directory

    def status(self) -> Mapping[str, MachineStatus]:
        """Every machine of this sandbox by id."""
        with self._lock:
            machines = [machine for machine, _ in self._machines.values()]
        return {
            one.spec.id: MachineStatus(one.spec.id, one.state, one.pid, one.reason)
            for one in machines
        }

    def close(self) -> None:
        """Destroy all machines and give back all that the host lent."""
        self._open = False
        with ExitStack() as last:
            last.callback(self._leave)
            last.callback(cgroups.remove_sandbox, self._ground.cgroups)
            last.callback(self._ground.watch.close)
            last.callback(self._ground.spawner.close)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(self.destroy, list(self._machines)))

    def _leave(self) -> None:
        with sweep.doorway(self._store):
            sweep.release(self._claim)
            inotify.restore(self._claim.family)

    def _add(self, spec: MachineSpec, lock: threading.RLock) -> Machine:
        directory = self._claim.directory / spec.id
        with self._lock:
            if spec.id in self._machines:
                raise ValueError(f"machine {spec.id} exists")
            machine = Machine(spec, directory, self._ground, self._on_end)
            self._machines[spec.id] = (machine, lock)
        return machine

    def _locked(self, machine_id: str) -> tuple[Machine, threading.RLock]:
        with self._lock:
            if machine_id not in self._machines:
                raise NoSuchMachine(f"no machine {machine_id}")
            return self._machines[machine_id]

    def _on_end(self, machine: Machine, child: Child) -> None:
        """In the watch's thread: reap, then judge in a thread that may block."""
        code = child.process.wait()
        if self._open and machine.child is child:
            threading.Thread(
                target=self._judge, args=(machine, child, why(code)), daemon=True
            ).start()

    def _judge(self, machine: Machine, child: Child, reason: str) -> None:
        with suppress(NoSuchMachine):
            _, lock = self._locked(machine.spec.id)
            with lock:
                if machine.child is not child:
                    return  # ended by the runner itself
                if self._tidied(machine, reason) and reason == GUEST_RESTARTED:
                    with suppress(BootFailed):
                        machine.start()
                        return
            self._ended(machine.spec.id, machine.reason)

    def _tidied(self, machine: Machine, reason: str) -> bool:
        """Clear up after a machine that ended by itself; its end is reported in any case."""
        try:
            machine.end(reason)
        except Exception:
            log.exception("machine %s ended (%s) and left something", machine.spec.id, reason)
            return False
        return True


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
