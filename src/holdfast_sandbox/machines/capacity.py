"""The CPUs and the memory that a machine shows, whatever its host has: files to bind over.

meminfo  cpuinfo                 over /proc
cpu/                             over /sys/devices/system/cpu
node/                            over /sys/devices/system/node
sysctl/                          over /proc/sys: what a kubelet writes must not reach the host
"""

from collections.abc import Mapping
from pathlib import Path

# A kubelet sets these; machines share the host's kernel, so each gets a file of its own.
OWN_SYSCTLS = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
BOOT_ID = "kernel/random/boot_id"
CPU_FILES = ("online", "possible", "present")


def meminfo(memory_mib: int) -> str:
    """`/proc/meminfo` of a machine that has just started and uses an eighth of its memory."""
    total = memory_mib << 10
    free = total * 7 // 8
    rows = {
        "MemTotal": total,
        "MemFree": free,
        "MemAvailable": free,
        "Buffers": 0,
        "Cached": 0,
        "SwapTotal": 0,
        "SwapFree": 0,
    }
    return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in rows.items())


def cpuinfo(host: str, cpus: int) -> str:
    """`/proc/cpuinfo` with `cpus` copies of the host's first processor."""
    first = host.strip().split("\n\n")[0].splitlines()
    return "".join(_processor(first, number, cpus) + "\n\n" for number in range(cpus))


def _processor(lines: list[str], number: int, cpus: int) -> str:
    own = {
        "processor": number,
        "physical id": 0,
        "core id": number,
        "siblings": cpus,
        "cpu cores": cpus,
        "apicid": number,
        "initial apicid": number,
    }
    rows = []
    for line in lines:
        name = line.partition(":")[0].strip()
        rows.append(f"{name}\t: {own[name]}" if name in own else line)
    return "\n".join(rows)


def trees(cpus: int, memory_mib: int) -> Mapping[str, str]:
    """Files below `cpu/` and `node/`, path to text. Links are written by `write`."""
    span = f"0-{cpus - 1}\n" if cpus > 1 else "0\n"
    files = {f"cpu/{name}": span for name in CPU_FILES}
    for number in range(cpus):
        topology = f"cpu/cpu{number}/topology"
        files[f"{topology}/core_id"] = f"{number}\n"
        files[f"{topology}/physical_package_id"] = "0\n"
        files[f"{topology}/thread_siblings_list"] = f"{number}\n"
        files[f"cpu/cpu{number}/online"] = "1\n"
    files["node/online"] = "0\n"
    files["node/node0/distance"] = "10\n"
    files["node/node0/cpulist"] = span
    files["node/node0/meminfo"] = (
        f"Node 0 MemTotal:       {memory_mib << 10} kB\n"
        f"Node 0 MemFree:        {(memory_mib << 10) * 7 // 8} kB\n"
    )
    return files


def write(directory: Path, cpus: int, memory_mib: int, proc: Path = Path("/proc")) -> None:
    """Write all of a machine's own files into `directory`.

    Raises ValueError for a machine without CPU or memory.
    """
    if cpus < 1 or memory_mib < 1:
        raise ValueError(f"a machine needs CPUs and memory, got {cpus} and {memory_mib} MiB")
    files = dict(trees(cpus, memory_mib))
    files["meminfo"] = meminfo(memory_mib)
    files["cpuinfo"] = cpuinfo((proc / "cpuinfo").read_text(), cpus)
    for name in OWN_SYSCTLS:
        if (proc / "sys" / name).exists():
            files[f"sysctl/{name}"] = (proc / "sys" / name).read_text()
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for number in range(cpus):
        link = directory / "node/node0" / f"cpu{number}"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../cpu/cpu{number}")
