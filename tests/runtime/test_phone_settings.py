"""The settings of phone systems, as part of the process's."""

from __future__ import annotations

import pytest

from runtime.phone_settings import PhoneSettings
from runtime.settings import Settings


def test_they_are_settings_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AICALL_TELNYX_STREAM_TOKEN", "s3cret")
    settings = Settings()
    assert isinstance(settings, PhoneSettings)
    assert settings.telnyx_stream_token.get_secret_value() == "s3cret"
    assert settings.audiosocket_port == -1


def test_no_secret_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in PhoneSettings.model_fields if PhoneSettings.model_fields[name].annotation is not str]
    secrets = [name for name in names if not name.startswith("audiosocket")]
    for name in secrets:
        monkeypatch.setenv(f"AICALL_{name.upper()}", "s3cret")
    assert secrets
    assert "s3cret" not in repr(Settings())
