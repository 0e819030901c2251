"""The end of a cluster: blocked by a stranger it fails visibly, then it leaves nothing behind."""

import pytest
from demo.site import Holding, Site

from holdfast.client import calls

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def foreign(site: Site, shared_basic: Holding) -> str:
    """Somebody else's VM in the group of our workers."""
    with site.ec2() as ec2:
        answer = ec2.describe_security_groups(
            Filters=[
                {"Name": "tag:holdfast:name", "Values": ["aws/firewall/worker"]},
                {"Name": "tag:holdfast:cluster", "Values": [shared_basic.id]},
            ]
        )
    group = answer["SecurityGroups"][0]["GroupId"]
    body = {"security_group": group, "name": "somebody-elses"}
    return str(site.control.post("/foreign-vm", body)["id"])


@pytest.mark.fault("F12", "B")
def test_a_delete_that_a_stranger_blocks_fails_and_names_it(
    site: Site, basic: Holding, foreign: str
) -> None:
    basic.ask_delete()
    basic.wait("the delete fails visibly", lambda: basic.status == "failed", 60)

    assert foreign in basic.conditions()["Unblocked"]["message"]
    assert {t["kind"] for t in basic.truth()} <= {"vpc", "subnet", "security-group"}
    assert [t["id"] for t in site.control.get("/truth")["things"] if t["id"] == foreign]
    assert basic.certificate() is None


def test_it_ends_when_the_stranger_is_gone(site: Site, shared_basic: Holding, foreign: str) -> None:
    site.control.delete(f"/foreign-vm/{foreign}")
    shared_basic.ask_delete()
    shared_basic.wait(
        "a provisional certificate",
        lambda: shared_basic.certificate_is("provisional", "confirmed"),
        60,
    )
    assert shared_basic.truth() == []

    shared_basic.wait("a confirmed one", lambda: shared_basic.certificate_is("confirmed"), 60)
    certificate = shared_basic.certificate() or {}
    assert shared_basic.truth() == []
    assert len(certificate["listings"]) == 2
    assert certificate["signature"]
    kinds = {thing["kind"] for thing in certificate["removed"]}
    assert {"virtual machine", "network", "subnet", "address"} <= kinds
    assert shared_basic.status == "deleted"


def test_its_name_is_free_again_and_it_is_not_listed(site: Site, shared_basic: Holding) -> None:
    living = site.client.json(calls.list_clusters())["items"]

    assert shared_basic.id not in {cluster["id"] for cluster in living}
