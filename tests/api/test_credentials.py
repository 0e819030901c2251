"""Credentials: checked before they are kept, never shown, pinned to their account."""

import json
from typing import Any

import pytest
from tests.api.platform import (
    GOOD_KEY,
    OTHER_ACCOUNT_KEY,
    READ_ONLY_KEY,
    SECRET,
    Platform,
    a_credentials,
    an_account,
    story,
    violations,
)

from holdfast.model.ids import CredentialsId
from holdfast.model.status import ClusterPhase

PATH = "/v1/credentials"
OTHER_KEY = "AKIASECONDSECONDSECO"


async def _stored(platform: Platform, identity: str) -> dict[str, str]:
    async with platform.store.reading() as tx:
        return await platform.store.credentials.secret(tx, CredentialsId(identity))


@story
async def test_q19_a14_an_empty_id_is_ignored_and_the_secret_never_comes_back(
    platform: Platform,
) -> None:
    answer = await platform.post(PATH, a_credentials())
    assert answer.status_code == 201
    made = answer.json()
    assert len(made["id"]) == 36
    assert made["id"] == made["id"].lower()
    assert (made["name"], made["cloud"], made["credentials"]) == ("prod", "aws", "")
    assert made["check"]["ok"] is True
    assert made["check"]["accountId"] == "111111111111"
    one, all_ = await platform.get(f"{PATH}/{made['id']}"), await platform.get(PATH)
    for each in (answer, one, all_):
        assert SECRET not in each.text
        assert GOOD_KEY not in each.text


@story
async def test_a_wrong_key_is_400_on_credentials_and_nothing_stays(platform: Platform) -> None:
    answer = await platform.post(PATH, a_credentials(key="AKIAWRONG"))
    assert answer.status_code == 400
    assert "InvalidClientTokenId" in violations(answer)["credentials"]
    assert (await platform.get(PATH)).json() == {"items": []}
    assert (await platform.post(PATH, a_credentials())).status_code == 201


@story
async def test_lacking_permissions_are_named_and_nothing_stays(platform: Platform) -> None:
    answer = await platform.post(PATH, a_credentials(key=READ_ONLY_KEY))
    assert answer.status_code == 400
    assert "ec2:RunInstances" in violations(answer)["credentials"]
    assert (await platform.get(PATH)).json() == {"items": []}


@story
async def test_without_a_verdict_in_time_they_are_kept_unchecked(platform: Platform) -> None:
    platform.accounts.is_silent = True
    began = platform.clock.monotonic()
    answer = await platform.post(PATH, a_credentials())
    assert answer.status_code == 201
    assert answer.json()["check"].get("checkedAt") is None
    assert 10 <= platform.clock.monotonic() - began < 11


@pytest.mark.fault("F53", "P")
@pytest.mark.parametrize(
    ("inner", "field"),
    [
        ({"accessKeyId": "", "secretAccessKey": "s"}, "credentials.accessKeyId"),
        ({"accessKeyId": "   ", "secretAccessKey": "s"}, "credentials.accessKeyId"),
        ({"accessKeyId": GOOD_KEY}, "credentials.secretAccessKey"),
        ({"accessKeyId": GOOD_KEY, "secretAccessKey": 7}, "credentials.secretAccessKey"),
        ({"accessKeyId": GOOD_KEY, "secretAccessKey": "a b"}, "credentials.secretAccessKey"),
        ({"accessKeyId": GOOD_KEY, "secretAccessKey": "a\nb"}, "credentials.secretAccessKey"),
        ({"accessKeyId": "AKIA\x00", "secretAccessKey": "s"}, "credentials.accessKeyId"),
        ([], "credentials"),
        ("text", "credentials"),
        (None, "credentials"),
    ],
)
@story
async def test_a15_f53_a_secret_that_cannot_be_one_is_refused_naming_the_key(
    platform: Platform, inner: Any, field: str
) -> None:
    request = {**a_credentials(), "credentials": json.dumps(inner)}
    answer = await platform.post(PATH, request)
    assert answer.status_code == 400
    assert field in violations(answer)
    assert "a b" not in answer.text


@story
async def test_a15_a_string_that_is_no_json_is_400_without_quoting_it(platform: Platform) -> None:
    request = {**a_credentials(), "credentials": "AKIASECRETTEXT"}
    answer = await platform.post(PATH, request)
    assert answer.status_code == 400
    assert "AKIASECRETTEXT" not in answer.text


@pytest.mark.fault("F53", "P")
@story
async def test_f53_outer_white_space_of_a_secret_is_trimmed(platform: Platform) -> None:
    answer = await platform.post(PATH, a_credentials(key=f" {GOOD_KEY}\n", secret=f"{SECRET}\r\n"))
    assert answer.status_code == 201
    kept = await _stored(platform, answer.json()["id"])
    assert kept == {"accessKeyId": GOOD_KEY, "secretAccessKey": SECRET}


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x1b[31mb"])
@story
async def test_wrong_names_are_refused(platform: Platform, name: str) -> None:
    answer = await platform.post(PATH, a_credentials(name))
    assert "name" in violations(answer)


@pytest.mark.parametrize("cloud", ["gcp", "azure", "do", "mars"])
@story
async def test_clouds_that_cannot_be_driven_are_refused(platform: Platform, cloud: str) -> None:
    answer = await platform.post(PATH, {**a_credentials(), "cloud": cloud})
    assert answer.status_code == 400
    assert "cloud" in violations(answer)


@story
async def test_a_name_that_is_taken_is_409(platform: Platform) -> None:
    await platform.credentials("prod")
    answer = await platform.post(PATH, a_credentials("PROD"))
    assert answer.status_code == 409
    assert violations(answer) == {"name": "already taken"}


@story
async def test_a16_deleted_credentials_are_404(platform: Platform) -> None:
    identity = await platform.credentials()
    gone = await platform.delete(f"{PATH}/{identity}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await platform.get(f"{PATH}/{identity}")).status_code == 404
    assert (await platform.delete(f"{PATH}/{identity}")).status_code == 404


@story
async def test_q29_credentials_in_use_are_409_until_the_cluster_is_deleted(
    platform: Platform,
) -> None:
    made = await platform.cluster("web")
    (identity,) = made["cloudCredentialsIDs"]
    shown = (await platform.get(f"{PATH}/{identity}")).json()
    assert shown["usedBy"] == [{"id": made["id"], "name": "web"}]
    refused = await platform.delete(f"{PATH}/{identity}")
    assert refused.status_code == 409
    assert "web" in refused.json()["message"]
    await platform.delete(f"/v1/kubernetes/clusters/{made['id']}")
    now = platform.clock.now()
    await platform.record(made["id"], phase=ClusterPhase.DELETED, deleted_at=now)
    assert (await platform.get(f"{PATH}/{identity}")).json()["usedBy"] == []
    assert (await platform.delete(f"{PATH}/{identity}")).status_code == 204


@story
async def test_a_check_asks_the_cloud_anew_and_shows_quotas(platform: Platform) -> None:
    identity = await platform.credentials()
    platform.clock.turn(60)
    platform.accounts.found[GOOD_KEY] = an_account(missing=("ec2:DeleteVpc",))
    old = (await platform.get(f"{PATH}/{identity}/check")).json()
    assert old["ok"] is True
    assert old["quotas"][0]["code"] == "L-1216C47A"
    new = (await platform.post(f"{PATH}/{identity}/check")).json()
    assert new["ok"] is False
    assert new["missingPermissions"] == ["ec2:DeleteVpc"]
    assert new["checkedAt"] > old["checkedAt"]


@story
async def test_f59_a_new_key_of_the_same_account_replaces_the_old_one(platform: Platform) -> None:
    made = await platform.cluster("web")
    (identity,) = made["cloudCredentialsIDs"]
    before = (await platform.get(f"{PATH}/{identity}")).json()["fingerprint"]
    platform.accounts.found[OTHER_KEY] = an_account()
    body = {"credentials": a_credentials(key=OTHER_KEY)["credentials"]}
    answer = await platform.http.put(f"{PATH}/{identity}/secret", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["fingerprint"] != before
    assert (await _stored(platform, identity))["accessKeyId"] == OTHER_KEY
    assert len((await platform.get(PATH)).json()["items"]) == 1


@pytest.mark.fault("F58", "P")
@pytest.mark.parametrize(
    ("key", "says"),
    [
        (OTHER_ACCOUNT_KEY, "222222222222"),
        ("AKIAWRONG", "InvalidClientTokenId"),
        (READ_ONLY_KEY, "ec2:RunInstances"),
    ],
)
@story
async def test_f58_a_key_that_does_not_fit_is_refused_and_the_old_one_stays(
    platform: Platform, key: str, says: str
) -> None:
    identity = await platform.credentials()
    body = {"credentials": a_credentials(key=key)["credentials"]}
    answer = await platform.http.put(f"{PATH}/{identity}/secret", json=body)
    assert answer.status_code == 400
    assert says in violations(answer)["credentials"]
    assert (await _stored(platform, identity))["accessKeyId"] == GOOD_KEY
    assert len((await platform.get(PATH)).json()["items"]) == 1
    if key == OTHER_ACCOUNT_KEY:
        assert "111111111111" in violations(answer)["credentials"]


@story
async def test_f58_without_a_verdict_the_old_key_stays(platform: Platform) -> None:
    identity = await platform.credentials()
    platform.accounts.is_silent = True
    body = {"credentials": a_credentials(key=OTHER_KEY)["credentials"]}
    answer = await platform.http.put(f"{PATH}/{identity}/secret", json=body)
    assert answer.status_code == 412
    assert (await _stored(platform, identity))["accessKeyId"] == GOOD_KEY
    assert len((await platform.get(PATH)).json()["items"]) == 1
