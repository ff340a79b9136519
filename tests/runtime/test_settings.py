from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InvalidField
from runtime.settings import Settings, default_data_dir, describe_settings, load_settings, unknown_variables, variable

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine, and an empty working directory."""
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_embedded_default() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.database, settings.processes) == ("127.0.0.1", 8080, "", 1)
    assert (settings.max_calls, settings.admission) == (0, "auto")
    assert settings.api_key.get_secret_value() == ""
    assert settings.data_dir == default_data_dir()
    assert settings.data_dir.is_absolute()


def test_arguments_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aicall.yaml").write_text("host: file\nport: 1\nmax_calls: 7\n")
    monkeypatch.setenv("AICALL_HOST", "environment")
    monkeypatch.setenv("AICALL_PORT", "2")
    settings = load_settings(host="argument", port=None)
    assert (settings.host, settings.port, settings.max_calls) == ("argument", 2, 7)


def test_an_empty_variable_and_an_empty_file_set_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aicall.yaml").write_text("# nothing\n")
    monkeypatch.setenv("AICALL_PORT", "")
    assert load_settings().port == 8080


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("prot: 1\n", "prot"),
        ("port: high\n", "port"),
        ("port: 70000\n", "port"),
        ("start_timeout_s: 0\n", "start_timeout_s"),
        ("idle_timeout_s: .nan\n", "idle_timeout_s"),
        ("max_calls: -1\n", "max_calls"),
        ("admission: sometimes\n", "admission"),
        ("log_level: LOUD\n", "log_level"),
        ("public_url: calls.example.com\n", "public_url"),
        ("public_url: https://calls.example.com/?x=1\n", "public_url"),
        ("public_url: https://\n", "public_url"),
        ("- a list\n", "aicall.yaml"),
        ("just text\n", "aicall.yaml"),
        ("port: [\n", "aicall.yaml"),
        ("\x00", "aicall.yaml"),
    ],
)
def test_a_wrong_file_is_refused_naming_what_is_wrong(text: str, field: str) -> None:
    Path("aicall.yaml").write_text(text)
    with pytest.raises(InvalidField) as caught:
        load_settings()
    assert caught.value.field == field


def test_errors_do_not_quote_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("aicall.yaml").write_text("api_key: [canary]\nsecret_key: {a: canary}\n")
    with pytest.raises(InvalidField) as caught:
        load_settings()
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value.__cause__)


def test_secrets_are_not_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "SECRET_KEY", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(f"AICALL_{name}", "canary")
    settings = load_settings()
    assert settings.twilio_auth_token.get_secret_value() == "canary"
    assert "canary" not in repr(settings)


def test_a_public_url_loses_its_last_slash() -> None:
    assert load_settings(public_url="https://calls.example.com/pbx/").public_url == "https://calls.example.com/pbx"


def test_data_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/aicall")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_data_dir() == Path.home() / ".local/share/aicall"
    assert load_settings(data_dir="~/calls").data_dir == Path.home() / "calls"


def test_misspelt_variables_are_found() -> None:
    names = ["AICALL_PROT", "AICALL_PORT", "AICALL_BASE_URL_OPENAI", "OPENAI_API_KEY", "PATH"]
    assert unknown_variables(names) == ["AICALL_PROT"]


def test_every_setting_is_described_and_documented() -> None:
    documented = (ROOT / "docs" / "settings.md").read_text()
    rows = describe_settings()
    assert len(rows) == len(Settings.model_fields)
    for name, default, text in rows:
        assert text.endswith("."), name
        assert f"| `{name}` | {f'`{default}`' if default else ''} | {text} |" in documented
