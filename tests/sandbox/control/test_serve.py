"""The sandbox as a process, with simulated machines: ready file, ports, stop, restart, faults."""

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.running import Network, Sandbox, serve, starting, until

Start = Callable[..., Sandbox]
SIMULATED = ("--machines", "simulated", "--boot-seconds", "0.05", "--seed", "7")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path_factory.mktemp("state"), *SIMULATED, "--spot-notice", "0.5")
    yield made
    assert made.stop() == 0


@pytest.fixture
def start() -> Iterator[Start]:
    with starting() as begin:
        yield begin


@pytest.fixture(scope="module")
def network(sandbox: Sandbox) -> Network:
    return sandbox.network()


def begun(sandbox: Sandbox, **settings: object) -> str:
    return str(sandbox.told("POST", "/faults", settings)["id"])


def refusal(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return str(caught.value.response["Error"]["Code"])


def test_the_ready_file_is_private_and_says_how_to_reach_everything(sandbox: Sandbox) -> None:
    path = sandbox.state / "sandbox.json"
    assert path.stat().st_mode & 0o777 == 0o600
    ready = json.loads(path.read_text())
    assert ready["pid"] == sandbox.process.pid
    assert ready["aws"].startswith("http://127.0.0.1:")
    assert ready["callback_address"] == "198.18.0.2"
    assert ready["machines"] == "simulated"
    assert Path(ready["identity_certificates"]).read_text().startswith("-----BEGIN CERTIFICATE")
    caller = sandbox.client("sts").get_caller_identity()
    assert caller["Account"] == ready["credentials"]["accountId"]


def test_a_machine_boots_is_killed_and_the_cloud_says_why(
    sandbox: Sandbox, network: Network
) -> None:
    one, other = sandbox.launch(network, 2)
    sandbox.until_state([one, other], "running")
    begun(sandbox, kind="machine-kill", target=one)
    sandbox.until_state([one], "terminated")
    assert "killed" in sandbox.states([one])[one][1]
    assert sandbox.states([other])[other][0] == "running"
    assert "simulated machine" in sandbox.told("GET", f"/machines/{one}/console")["console"]


def test_many_machines_boot_together(sandbox: Sandbox, network: Network) -> None:
    ids = sandbox.launch(network, 40)
    assert sandbox.until_state(ids, "running") < 40 * 0.05
    sandbox.ec2.terminate_instances(InstanceIds=ids)
    sandbox.until_state(ids, "terminated")


def test_stop_start_and_reboot_keep_the_machine(sandbox: Sandbox, network: Network) -> None:
    (one,) = sandbox.launch(network)
    sandbox.until_state([one], "running")
    sandbox.ec2.stop_instances(InstanceIds=[one])
    sandbox.until_state([one], "stopped")
    assert sandbox.told("GET", "/status")["machines"][one]["state"] == "gone"
    sandbox.ec2.start_instances(InstanceIds=[one])
    sandbox.until_state([one], "running")
    sandbox.ec2.reboot_instances(InstanceIds=[one])
    console = f"/machines/{one}/console"
    until(lambda: sandbox.told("GET", console)["console"].count("rebooted") == 2, "the reboot")
    assert sandbox.states([one])[one][0] == "running"


def test_the_networks_follow_the_cloud(sandbox: Sandbox) -> None:
    vpc = sandbox.ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]

    def networks() -> dict[str, str]:
        return dict(sandbox.told("GET", "/status")["networks"])

    until(lambda: networks().get(vpc) == "applied", "the network")
    sandbox.ec2.delete_vpc(VpcId=vpc)
    until(lambda: vpc not in networks(), "the network's end")


def test_the_truth_is_told_by_tag_and_priced(sandbox: Sandbox, network: Network) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "holdfast:cluster", "Value": "truth"}]}]
    (one,) = sandbox.launch(network, TagSpecifications=tags)
    truth = sandbox.told("GET", "/truth?tag=holdfast%3Acluster=truth")
    assert [(thing["kind"], thing["id"]) for thing in truth["things"]] == [("instance", one)]
    assert truth["price_per_hour"] > 0
    assert sandbox.told("GET", "/truth?tag=holdfast:cluster=other")["things"] == []
    sandbox.until_state([one], "running")
    sandbox.ec2.terminate_instances(InstanceIds=[one])
    sandbox.until_state([one], "terminated")
    assert sandbox.told("GET", "/truth?tag=holdfast:cluster=truth")["count"] == 0
    assert sandbox.ask("GET", "/truth?tag=nothing")[0] == 400


def test_a_foreign_vm_is_a_strangers_without_tags_of_ours(
    sandbox: Sandbox, network: Network
) -> None:
    made = sandbox.told("POST", "/foreign-vm", {"security_group": network.group, "name": "theirs"})
    assert made["vpc"] == network.vpc
    listed = sandbox.ec2.describe_instances(InstanceIds=[made["id"]])
    (instance,) = listed["Reservations"][0]["Instances"]
    assert instance["Tags"] == [{"Key": "Name", "Value": "theirs"}]
    assert instance["SecurityGroups"][0]["GroupId"] == network.group
    calls = sandbox.told("GET", f"/calls?action=RunInstances&contains={made['id']}")["calls"]
    mine = sandbox.client("sts").get_caller_identity()["Arn"]
    assert [call["caller"] != mine for call in calls] == [True]
    code = refusal(sandbox.ec2.delete_security_group, GroupId=network.group)
    assert code == "DependencyViolation"
    sandbox.told("DELETE", f"/foreign-vm/{made['id']}")
    sandbox.until_state([made["id"]], "terminated")


def test_only_foreign_vms_are_ended_that_way_and_only_in_real_places(
    sandbox: Sandbox, network: Network
) -> None:
    (mine,) = sandbox.launch(network)
    assert sandbox.ask("DELETE", f"/foreign-vm/{mine}")[0] == 404
    assert sandbox.ask("POST", "/foreign-vm", {"vpc": "vpc-0123456789abcdef0"})[0] == 404


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"kind": "api-outage", "action": "DescribeVpcs"}, "Unavailable"),
        ({"kind": "throttle", "action": "DescribeVpcs"}, "RequestLimitExceeded"),
        ({"kind": "error", "code": "InternalError", "action": "DescribeVpcs"}, "InternalError"),
        ({"kind": "permission", "action": "ec2:DescribeVpcs"}, "UnauthorizedOperation"),
    ],
)
def test_faults_of_the_api_are_seen_by_the_sdk_until_they_end(
    sandbox: Sandbox, settings: dict[str, object], code: str
) -> None:
    fault = begun(sandbox, **settings)
    assert refusal(sandbox.ec2.describe_vpcs) == code
    assert sandbox.told("DELETE", f"/faults/{fault}")["outcome"] == "undone"
    sandbox.ec2.describe_vpcs()


def test_capacity_and_quota_faults_refuse_machines(sandbox: Sandbox, network: Network) -> None:
    fault = begun(sandbox, kind="capacity", type="t3.*")
    assert refusal(sandbox.launch, network) == "InsufficientInstanceCapacity"
    sandbox.told("DELETE", f"/faults/{fault}")
    fault = begun(sandbox, kind="quota", code="L-1216C47A", value=0)
    assert refusal(sandbox.launch, network) == "VcpuLimitExceeded"
    sandbox.told("DELETE", f"/faults/{fault}")
    sandbox.launch(network)


def test_a_revoked_key_is_refused_and_accepted_again(sandbox: Sandbox) -> None:
    keys = sandbox.told("POST", "/accounts", {})
    other = sandbox.client("sts", keys)
    assert other.get_caller_identity()["Account"] == keys["accountId"]
    fault = begun(sandbox, kind="key-revoked", key=keys["accessKeyId"])
    assert refusal(other.get_caller_identity) == "InvalidClientTokenId"
    sandbox.told("DELETE", f"/faults/{fault}")
    other.get_caller_identity()
    assert sandbox.ask("POST", "/accounts", {"account": keys["accountId"]})[0] == 409


def test_a_spot_machine_is_taken_when_its_notice_runs_out_even_if_nobody_asks(
    sandbox: Sandbox, network: Network
) -> None:
    kept, taken = sandbox.launch(network, 2, InstanceMarketOptions={"MarketType": "spot"})
    sandbox.until_state([kept, taken], "running")
    spared = begun(sandbox, kind="spot-notice", target=kept)
    begun(sandbox, kind="spot-notice", target=taken)
    assert sandbox.told("DELETE", f"/faults/{spared}")["outcome"] == "undone"
    sandbox.until_state([taken], "terminated")
    assert "Spot" in sandbox.states([taken])[taken][1]
    assert sandbox.states([kept])[kept][0] == "running"
    (mine,) = sandbox.launch(network)
    sandbox.until_state([mine], "running")
    assert sandbox.ask("POST", "/faults", {"kind": "spot-notice", "target": mine})[0] == 400


def test_the_record_is_paged_and_filtered(sandbox: Sandbox, network: Network) -> None:
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = sandbox.told("GET", f"/calls?limit=3&after={after}")
        assert len(page["calls"]) <= 3
        seen += [call["number"] for call in page["calls"]]
        after = page["next"]
    assert seen == list(range(1, len(seen) + 1))
    actions = {c["action"] for c in sandbox.told("GET", "/calls?action=CreateVpc")["calls"]}
    assert actions == {"CreateVpc"}
    for query in ("limit=x", "after=-1", "limit=100000", "colour=red"):
        assert sandbox.ask("GET", f"/calls?{query}")[0] == 400


def test_what_is_not_emulated_is_counted(sandbox: Sandbox) -> None:
    before = sandbox.told("GET", "/status")["gaps"]
    with pytest.raises(ClientError):
        sandbox.ec2.describe_fleets()
    gaps = sandbox.told("GET", "/gaps")["gaps"]
    assert len(gaps) == before + 1
    assert gaps[-1]["action"] == "DescribeFleets"


def test_callbacks_are_shared_but_not_taken_from_a_living_server(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        living = f"127.0.0.1:{server.getsockname()[1]}"
        sandbox.told("POST", "/callbacks", {"port": 443, "target": living})
        sandbox.told("POST", "/callbacks", {"port": 443, "target": living})
        other = {"port": 443, "target": "127.0.0.1:1"}
        status, told = sandbox.ask("POST", "/callbacks", other)
        assert (status, living in told["error"]) == (409, True)
        sandbox.told("POST", "/callbacks", {"port": 444, "target": "127.0.0.1:1"})
    told = sandbox.told("POST", "/callbacks", other)["callbacks"]
    assert told == {"198.18.0.2:443": "127.0.0.1:1", "198.18.0.2:444": "127.0.0.1:1"}
    sandbox.told("DELETE", "/callbacks/198.18.0.2/443")
    assert list(sandbox.told("GET", "/callbacks")["callbacks"]) == ["198.18.0.2:444"]
    assert sandbox.ask("DELETE", "/callbacks/198.18.0.2/443")[0] == 404


def test_commands_in_unknown_and_simulated_machines_are_told_apart(
    sandbox: Sandbox, network: Network
) -> None:
    (one,) = sandbox.launch(network)
    sandbox.until_state([one], "running")
    told = sandbox.told("POST", f"/machines/{one}/exec", {"command": ["true"]})
    assert (told["code"], "simulated" in told["output"]) == (126, True)
    for method, path in (("POST", "/machines/i-none/exec"), ("GET", "/machines/i-none/console")):
        assert sandbox.ask(method, path, {"command": ["true"]})[0] == 404
    begun(sandbox, kind="machine-freeze", target=one)
    assert sandbox.ask("POST", f"/machines/{one}/exec", {"command": ["true"]})[0] == 409


def refused_start(state: Path, *flags: str) -> tuple[int, str]:
    process = serve(state, *flags)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize("flag", ["--aws-port", "--control-port", "--proxy-port"])
def test_a_port_in_use_is_named_with_its_flag(tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        code, said = refused_start(tmp_path, *SIMULATED, flag, port)
    assert code == 2
    assert said == f"sandbox: port {port} ({flag}) is in use on 127.0.0.1\n"
    assert not (tmp_path / "sandbox.json").exists()


def test_a_port_out_of_range_is_refused(tmp_path: Path) -> None:
    code, said = refused_start(tmp_path, *SIMULATED, "--aws-port", "70000")
    assert (code, "--aws-port 70000" in said) == (2, True)


def test_a_state_directory_has_one_sandbox(sandbox: Sandbox) -> None:
    code, said = refused_start(sandbox.state, *SIMULATED)
    assert code == 2
    assert str(sandbox.process.pid) in said
    assert sandbox.told("GET", "/status")["pid"] == sandbox.process.pid


def test_a_missing_image_is_said_and_how_to_make_it(tmp_path: Path) -> None:
    code, said = refused_start(tmp_path / "state", "--store", str(tmp_path / "store"))
    assert code == 2
    assert "Linux and root" in said or "prepare" in said


@pytest.mark.parametrize("name", ["cloud.snapshot", "kept.json"])
def test_a_file_of_the_state_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nonsense")
    code, said = refused_start(tmp_path, *SIMULATED)
    assert code == 2
    assert f"{tmp_path / name} can't be" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_restart_finds_the_cloud_as_it_was_and_says_what_became_of_machines(
    start: Start, tmp_path: Path, number: int
) -> None:
    first = start(tmp_path, *SIMULATED)
    network = first.network()
    (lost,) = first.launch(network, ClientToken="once")
    first.until_state([lost], "running")
    first.told("POST", "/callbacks", {"port": 443, "target": "127.0.0.1:1"})
    begun(first, kind="api-outage", action="DescribeSubnets")
    certificate = (tmp_path / "identity.pem").read_bytes()
    first.until_saved()
    code = first.stop(number)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    assert (tmp_path / "sandbox.json").exists() == (number == signal.SIGKILL)

    second = start(tmp_path, *SIMULATED)
    same = ("aws", "control", "control_token", "credentials", "identity_certificates")
    assert {name: second.ready[name] for name in same} == {n: first.ready[n] for n in same}
    assert (tmp_path / "identity.pem").read_bytes() == certificate
    second.until_state([lost], "terminated")
    assert second.states([lost])[lost][1] == "Server.InternalError: host restarted"
    subnets = second.ec2.describe_subnets(SubnetIds=[network.subnet])["Subnets"]
    assert [subnet["VpcId"] for subnet in subnets] == [network.vpc]
    assert second.launch(network, ClientToken="once") == [lost]
    assert second.told("GET", "/callbacks")["callbacks"] == {"198.18.0.2:443": "127.0.0.1:1"}
    (after,) = second.launch(network)
    second.until_state([after], "running")
    assert second.stop() == 0


def test_a_stop_in_the_middle_of_boots_is_quick_and_clean(start: Start, tmp_path: Path) -> None:
    sandbox = start(tmp_path, "--machines", "simulated", "--boot-seconds", "600")
    ids = sandbox.launch(sandbox.network(), 5)
    until(lambda: len(sandbox.told("GET", "/status")["machines"]) == 5, "the boots")
    assert set(sandbox.states(ids).values()) == {("pending", "")}
    assert sandbox.stop() == 0


def test_requests_from_many_threads_are_all_answered(sandbox: Sandbox, network: Network) -> None:
    failures: list[str] = []
    client = sandbox.ec2

    def work(number: int) -> None:
        try:
            for _ in range(5):
                client.describe_instances()
                client.create_tags(
                    Resources=[network.vpc], Tags=[{"Key": f"t{number}", "Value": "v"}]
                )
        except ClientError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
