"""Settings: what is read, what is refused by name, what is not shown."""

import base64
from pathlib import Path

import pytest

from holdfast.settings import LogFormat, Settings, SettingsError, table


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_DATA_DIR", str(tmp_path / "data"))


def test_defaults_follow_the_data_directory(tmp_path: Path) -> None:
    settings = Settings.load()
    assert settings.database() == f"sqlite+aiosqlite:///{tmp_path}/data/holdfast.db"
    assert settings.keys() == tmp_path / "data" / "master.key"
    assert settings.url() == "https://127.0.0.1:8443"
    assert settings.url(port=9000) == "https://127.0.0.1:9000"
    assert settings.aws_consistency_window == 300
    assert settings.regions == {}


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_PUBLIC_URL", "https://holdfast.example.org/")
    monkeypatch.setenv("HOLDFAST_LOG_FORMAT", "json")
    monkeypatch.setenv("HOLDFAST_REGIONS", "eu-central/aws=eu-central-1, us-east/aws=us-east-2")
    settings = Settings.load(listen_port=0)
    assert settings.url(port=1) == "https://holdfast.example.org"
    assert settings.log_format is LogFormat.JSON
    assert settings.regions == {
        "eu-central": {"aws": "eu-central-1"},
        "us-east": {"aws": "us-east-2"},
    }


def test_a_dot_env_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HOLDFAST_LISTEN_PORT=1\n")
    assert Settings.load().listen_port == 8443


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LISTEN_PORT", "x", "HOLDFAST_LISTEN_PORT: "),
        ("LISTEN_PORT", "70000", "HOLDFAST_LISTEN_PORT: "),
        ("PUBLIC_URL", "holdfast.example.org", "HOLDFAST_PUBLIC_URL: .*https?://"),
        ("PUBLIC_URL", "http://x", "HOLDFAST_PUBLIC_URL: .*machines receive keys"),
        ("BREAKER_FRACTION", "1.5", "HOLDFAST_BREAKER_FRACTION: "),
        ("REGIONS", "eu-central", "HOLDFAST_REGIONS: .*<group>/<cloud>=<region>"),
        ("LOG_LEVEL", "LOUD", "HOLDFAST_LOG_LEVEL: "),
        ("MASTER_KEY", "secretsecret", "HOLDFAST_MASTER_KEY: .*32 bytes"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"HOLDFAST_{name}", value)
    with pytest.raises(SettingsError, match=message):
        Settings.load()


def test_the_master_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", key)
    assert key not in repr(Settings.load())
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", key[:-8])
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert key[:-8] not in str(caught.value)


def test_every_setting_is_documented() -> None:
    lines = table().splitlines()[2:]
    assert len(lines) == len(Settings.model_fields)
    assert all(line.split("|")[3].strip() not in ("", "None") for line in lines)
