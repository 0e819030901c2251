"""holdfast simulate: every scenario on presets and files, the same twice, and mistakes named."""

import json
from pathlib import Path

import pytest

from holdfast.__main__ import run

SPOT = """
name: shop
region: eu-central
nodes:
  - {cloud: aws, role: master, shape: medium}
  - {cloud: aws, role: worker, shape: small, spotConfig: {isSpot: true}}
  - {cloud: aws, role: worker, shape: small, spotConfig: {isSpot: true}}
"""


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(["simulate", *words])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


@pytest.mark.parametrize("scenario", ["drought", "credentials-revoked", "api-server-lost"])
def test_a_starter_cluster_comes_through(capsys: pytest.CaptureFixture[str], scenario: str) -> None:
    words = (scenario, "--preset", "starter", "--output", "json")
    code, out, _ = said(capsys, *words)
    found = json.loads(out)
    assert code == 0
    assert found["status"] == "ready"
    assert found["pods"]["mostDisplaced"] == found["pods"]["running"] > 0
    assert found["pods"]["minutesDisplaced"] < found["quietAfterMinutes"]
    assert found["cost"]["hourlyAfter"] == found["cost"]["hourlyBefore"]
    assert any("is lost" in text for one in found["minutes"] for text in one["happened"])


def test_a_spot_storm_on_a_file_is_the_same_twice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(SPOT)
    words = ("spot-storm", "--file", str(file), "--seed", "7")
    code, first, _ = said(capsys, *words)
    assert code == 0
    assert "the cloud takes 2 spot machines back" in first
    assert "status ready" in first
    assert said(capsys, *words)[1] == first


def test_an_ha_cluster_outlives_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "zone-outage", "--preset", "ha", "--output", "json")
    assert code == 0
    assert json.loads(out)["status"] == "ready"


def test_a_starter_cluster_does_not_outlive_its_zone(capsys: pytest.CaptureFixture[str]) -> None:
    """Its only control plane is gone: the limit ends it, with all that happened."""
    words = ("zone-outage", "--preset", "starter", "--minutes", "20")
    code, out, _ = said(capsys, *words)
    assert code == 5
    assert "not over after 20 minutes" in out
    assert "waits for" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("flood", "--preset", "starter"), "scenario 'flood' is unknown; there is zone-outage"),
        (("drought",), "give one of --cluster, --file, --preset"),
        (("drought", "--preset", "starter", "--cluster", "web"), "exclude each other"),
        (("drought", "--preset", "huge"), "preset: 'huge' is unknown"),
        (("drought", "--preset", "starter", "--seed", "-1"), "--seed -1"),
        (("drought", "--preset", "starter", "--minutes", "0"), "--minutes 0"),
        (("drought", "--preset", "starter", "--pods", "4000"), "pods don't fit on 1 workers"),
        (("spot-storm", "--preset", "starter"), "no node of the specification is a spot machine"),
        (("drought", "--file", "/nowhere.yaml"), "/nowhere.yaml"),
    ],
)
def test_a_mistake_is_named(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    code, out, err = said(capsys, *words)
    assert (code, out) == (2, "")
    assert told in err.replace(chr(34), chr(39))


def test_the_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "--list")
    assert code == 0
    assert "spot-storm" in out
