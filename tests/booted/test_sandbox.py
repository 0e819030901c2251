"""The whole sandbox with machines that boot: by the SDK, the control API, and from inside."""

import base64
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.sandbox.running import Network, Sandbox, starting, until

from holdfast_sandbox.host.ground import name_of
from holdfast_sandbox.machines import image, probe

WHY_NOT = probe.missing(image.default_store())
pytestmark = [
    pytest.mark.booted,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "machines boot"),
]
Start = Callable[..., Sandbox]
USER_DATA = "#!/bin/sh\necho written by user data > /root/proof\necho spoken by user data\n"
BOOT_SECONDS = 60
METADATA = "http://169.254.169.254"
SECONDS = "-H 'X-aws-ec2-metadata-token-ttl-seconds: 60'"
ASK_TOKEN = f"-X PUT {SECONDS} {METADATA}/latest/api/token"
TOKEN = f"$(curl -sS {ASK_TOKEN})"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("state"))
    yield made
    assert made.stop() == 0


@pytest.fixture
def start() -> Iterator[Start]:
    with starting() as begin:
        yield begin


@pytest.fixture(scope="module")
def network(sandbox: Sandbox) -> Network:
    return sandbox.network()


@pytest.fixture(scope="module")
def machine(sandbox: Sandbox, network: Network) -> str:
    """A machine whose user data has run."""
    (one,) = sandbox.launch(network, user_data=USER_DATA)
    sandbox.until_state([one], "running")
    until(lambda: inside(sandbox, one, "cat /root/proof")[0] == 0, "user data", BOOT_SECONDS)
    return one


def inside(sandbox: Sandbox, machine: str, script: str) -> tuple[int, str]:
    """Run a shell script in a machine."""
    body = {"command": ["sh", "-c", script]}
    told = sandbox.told("POST", f"/machines/{machine}/exec", body)
    return told["code"], told["output"]


def address_of(sandbox: Sandbox, machine: str) -> str:
    listed = sandbox.ec2.describe_instances(InstanceIds=[machine])["Reservations"]
    return listed[0]["Instances"][0]["PublicIpAddress"]


def test_user_data_runs_and_the_cloud_shows_the_console(sandbox: Sandbox, machine: str) -> None:
    assert inside(sandbox, machine, "cat /root/proof") == (0, "written by user data\n")
    console = f"/machines/{machine}/console"
    until(
        lambda: "spoken by user data" in sandbox.told("GET", console)["console"],
        "the console",
    )
    assert "spoken by user data" in sandbox.ec2.get_console_output(InstanceId=machine)["Output"]


def test_a_machine_reads_its_own_metadata_with_a_token_only(sandbox: Sandbox, machine: str) -> None:
    def read(path: str) -> str:
        url = f"{METADATA}/latest/{path}"
        return inside(sandbox, machine, f'curl -sS -H "X-aws-ec2-metadata-token: {TOKEN}" {url}')[1]

    assert read("meta-data/instance-id") == machine
    assert read("meta-data/public-ipv4") == address_of(sandbox, machine)
    assert read("meta-data/security-groups") == "g"
    without = f"curl -sS -o /dev/null -w '%{{http_code}}' {METADATA}/latest/meta-data/"
    assert inside(sandbox, machine, without) == (0, "401")


def test_the_identity_document_is_signed_by_the_regions_certificate(
    sandbox: Sandbox, machine: str, tmp_path: Path
) -> None:
    url = f"{METADATA}/latest/dynamic/instance-identity/rsa2048"
    script = f'curl -sS -H "X-aws-ec2-metadata-token: {TOKEN}" {url}'
    (tmp_path / "message").write_bytes(base64.b64decode(inside(sandbox, machine, script)[1]))
    certificate = sandbox.ready["identity_certificates"]
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", str(tmp_path / "message")]
    command += ["-certfile", certificate, "-noverify", "-binary"]
    ran = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert ran.returncode == 0
    assert f'"instanceId" : "{machine}"' in ran.stdout.decode()


POD = """
set -e
ip netns add pod
ip link add veth-host type veth peer name eth0 netns pod
ip addr add 10.244.0.1/24 dev veth-host
ip link set veth-host up
ip -n pod addr add 10.244.0.2/24 dev eth0
ip -n pod link set eth0 up
ip -n pod route add default via 10.244.0.1
sysctl -qw net.ipv4.ip_forward=1
nft 'add table ip pods; add chain ip pods out { type nat hook postrouting priority srcnat; }'
nft 'add rule ip pods out ip saddr 10.244.0.0/24 masquerade'
"""


def test_a_pod_behind_a_machine_gets_neither_token_nor_user_data(
    sandbox: Sandbox, network: Network
) -> None:
    (node,) = sandbox.launch(network, user_data=USER_DATA)
    sandbox.until_state([node], "running")
    seed = f"curl -sS -m 3 {METADATA}/holdfast-sandbox/nocloud/user-data"
    until(lambda: inside(sandbox, node, seed)[0] == 0, "the seed", BOOT_SECONDS)
    code, output = inside(sandbox, node, POD)
    assert code == 0, output
    header = f'-H "X-aws-ec2-metadata-token: {TOKEN}"'
    with_token = f"curl -sS -m 3 {header} {METADATA}/latest/meta-data/mac"
    assert inside(sandbox, node, f"ip netns exec pod {with_token}")[0] == 0  # the way is open
    token = f"curl -sS -m 3 {ASK_TOKEN}"
    timed_out = 28  # curl's code: the answer ends at the machine, one hop too early
    for wish in (token, seed):
        assert inside(sandbox, node, wish)[0] == 0
        assert inside(sandbox, node, f"ip netns exec pod {wish}")[0] == timed_out


def through_proxy(sandbox: Sandbox, address: str, port: int) -> str:
    """What a web server at a public address says, or the name of the failure."""
    proxy = sandbox.ready["proxy"].rpartition(":")[2]
    connection = HTTPConnection("127.0.0.1", int(proxy), timeout=2)
    try:
        connection.set_tunnel(address, port)
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


def test_a_rule_of_the_api_opens_and_closes_the_way_in(
    sandbox: Sandbox, network: Network, machine: str
) -> None:
    serve = "mkdir -p /srv/w && echo hello > /srv/w/index.html && cd /srv/w && "
    serve += "setsid python3 -m http.server 8080 </dev/null >/dev/null 2>&1 &"
    assert inside(sandbox, machine, serve)[0] == 0
    here = "curl -s --retry 20 --retry-delay 1 --retry-connrefused http://127.0.0.1:8080/"
    assert inside(sandbox, machine, here) == (0, "hello\n")
    address = address_of(sandbox, machine)
    assert through_proxy(sandbox, address, 8080) != "hello\n"
    wish: Any = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080}
    wish["IpRanges"] = [{"CidrIp": "0.0.0.0/0"}]
    sandbox.ec2.authorize_security_group_ingress(GroupId=network.group, IpPermissions=[wish])
    until(lambda: through_proxy(sandbox, address, 8080) == "hello\n", "the way in", 10)
    sandbox.ec2.revoke_security_group_ingress(GroupId=network.group, IpPermissions=[wish])
    until(lambda: through_proxy(sandbox, address, 8080) != "hello\n", "the way closed", 10)


class Greeting(BaseHTTPRequestHandler):
    """Says where a request came from."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the platform")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its own name
        """Say nothing."""


def test_a_machine_reaches_a_registered_call_back(sandbox: Sandbox, machine: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Greeting) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        target = f"127.0.0.1:{server.server_address[1]}"
        call = "curl -sS -m 5 http://198.18.0.2:4430/"
        assert inside(sandbox, machine, call)[0] != 0
        sandbox.told("POST", "/callbacks", {"port": 4430, "target": target})
        assert inside(sandbox, machine, call) == (0, "the platform")
        sandbox.told("DELETE", "/callbacks/198.18.0.2/4430")
        assert inside(sandbox, machine, call)[0] != 0
        server.shutdown()


def test_a_frozen_and_a_cut_machine_come_back(
    sandbox: Sandbox, network: Network, machine: str
) -> None:
    (other,) = sandbox.launch(network)
    sandbox.until_state([other], "running")
    listed = sandbox.ec2.describe_instances(InstanceIds=[machine])["Reservations"]
    target = listed[0]["Instances"][0]["PrivateIpAddress"]
    allow: Any = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": network.group}]}
    sandbox.ec2.authorize_security_group_ingress(GroupId=network.group, IpPermissions=[allow])

    def answers() -> bool:
        return inside(sandbox, other, f"ping -c1 -W1 {target}")[0] == 0

    until(answers, "a first answer")
    for kind in ("machine-freeze", "machine-cut"):
        fault = sandbox.told("POST", "/faults", {"kind": kind, "target": machine})
        assert not answers()
        assert sandbox.states([machine])[machine][0] == "running"
        assert sandbox.told("DELETE", f"/faults/{fault['id']}")["outcome"] == "undone"
        until(answers, f"the end of {kind}")


def test_a_killed_machine_is_seen_as_terminated(sandbox: Sandbox, network: Network) -> None:
    (one,) = sandbox.launch(network)
    sandbox.until_state([one], "running")
    console = f"/machines/{one}/console"
    until(lambda: bool(sandbox.told("GET", console)["console"]), "a first word on the console")
    sandbox.told("POST", "/faults", {"kind": "machine-kill", "target": one})
    assert sandbox.until_state([one], "terminated") < 5
    assert "killed" in sandbox.states([one])[one][1]
    assert sandbox.told("GET", console)["console"]


def test_a_machine_that_powers_itself_off_is_seen_as_terminated(
    sandbox: Sandbox, network: Network
) -> None:
    (one,) = sandbox.launch(network)
    sandbox.until_state([one], "running")
    ready = "systemctl is-active multi-user.target"
    until(lambda: inside(sandbox, one, ready)[0] == 0, "the boot", BOOT_SECONDS)
    inside(sandbox, one, "systemctl --no-block poweroff")
    sandbox.until_state([one], "terminated")


def test_stop_keeps_the_disk_for_start(sandbox: Sandbox, network: Network) -> None:
    (one,) = sandbox.launch(network)
    sandbox.until_state([one], "running")
    assert inside(sandbox, one, "echo kept > /root/kept && sync")[0] == 0
    sandbox.ec2.stop_instances(InstanceIds=[one])
    sandbox.until_state([one], "stopped")
    sandbox.ec2.start_instances(InstanceIds=[one])
    sandbox.until_state([one], "running")
    assert inside(sandbox, one, "cat /root/kept") == (0, "kept\n")


@dataclass(frozen=True, slots=True)
class Left:
    """What one sandbox holds on this host."""

    processes: tuple[int, ...]
    groups: tuple[str, ...]
    mounts: tuple[str, ...]
    directories: tuple[str, ...]


def left(name: str, owner: int) -> Left:
    """The traces of the sandbox `name`, started as process `owner`."""
    machines = image.default_store() / "machines" / name
    root = Path("/sys/fs/cgroup")
    groups = [path for at in ("", "*/") for path in root.glob(f"{at}holdfast/{name}")]
    return Left(
        processes=tuple(sorted(_processes(owner, name))),
        groups=tuple(sorted(map(str, groups))),
        mounts=tuple(
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if name in line
        ),
        directories=tuple(sorted(map(str, machines.rglob("*"))) if machines.exists() else ()),
    )


def _processes(owner: int, name: str) -> Iterator[int]:
    """Processes that the sandbox started, and those in its machines' groups."""
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            groups = (path / "cgroup").read_text()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended meanwhile
        if f"holdfast/{name}/" in groups or owner in (parent, int(path.name)):
            yield int(path.name)


def networks_of(processes: tuple[int, ...]) -> set[str]:
    """The network namespaces that these processes live in, the host's left out."""
    links = [Path(f"/proc/{process}/ns/net") for process in processes]
    found = {str(link.readlink()) for link in links if link.exists()}
    return found - {str(Path("/proc/self/ns/net").readlink())}


def pinned() -> list[str]:
    """Namespaces that are kept alive by a mount instead of a process."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in mounts if " nsfs " in line]


NOTHING = Left((), (), (), ())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_sandbox_leaves_nothing(start: Start, tmp_path: Path, number: int) -> None:
    name = name_of(tmp_path)
    before = pinned()
    sandbox = start(tmp_path)
    ids = sandbox.launch(sandbox.network(), 3)
    sandbox.until_state(ids, "running")
    sandbox.told("POST", "/faults", {"kind": "machine-freeze", "target": ids[0]})
    held = left(name, sandbox.process.pid)
    assert len(held.processes) >= 1 + 3 * 2  # the sandbox; each machine's unshare and init
    assert held.groups
    assert len(networks_of(held.processes)) >= 5  # three machines, their network, the internet

    sandbox.until_saved()  # what still shows as pending would be booted again
    begun = time.monotonic()
    sandbox.stop(number)
    if number == signal.SIGTERM:
        assert time.monotonic() - begun < 10
    else:  # the frozen machine and empty groups are left to the next start
        again = start(tmp_path)
        again.until_state(ids, "terminated")
        assert again.stop() == 0
    until(lambda: left(name, sandbox.process.pid) == NOTHING, "everything gone", 5)
    assert pinned() == before
