import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.credentials import (
    ALLOW_PRIVATE_ENDPOINTS,
    MODEL,
    resolve_base_url,
    resolve_credentials,
    resolve_key,
    resolve_options,
)
from adapters.llm.table import LLM_TABLE
from adapters.seats import KeyKind, ProviderOption, ProviderRow, Seat
from adapters.stt.table import STT_TABLE
from adapters.tts.table import TTS_TABLE
from models.errors import InvalidField

NO_KEY = SecretStr("")
SECRET = "a-secret-that-must-not-be-shown"
REGION = ProviderOption(name="region", summary="Where", variable="V_REGION", required=True, pattern=r"[a-z0-9-]{0,20}")
SERVICE_ACCOUNT = {"type": "service_account", "client_email": "a@b", "private_key": SECRET, "project_id": "p"}


def row_with(**fields: Any) -> ProviderRow:
    given = {"name": "v", "label": "V", "seat": Seat.TTS, "key_variable": "V_KEY", "base_url": "https://v"} | fields
    return ProviderRow(**given)


@pytest.mark.parametrize(
    ("row", "field", "variable"),
    [
        (LLM_TABLE["openai"], "engine_key", "OPENAI_API_KEY"),
        (STT_TABLE["deepgram"], "parameter.stt_key", "DEEPGRAM_API_KEY"),
        (TTS_TABLE["elevenlabs"], "parameter.tts_key", "ELEVENLABS_API_KEY"),
    ],
)
def test_a_key_comes_from_the_ai_then_from_the_environment(row: ProviderRow, field: str, variable: str) -> None:
    assert resolve_key(row, SecretStr("own"), {variable: "shared"}).get_secret_value() == "own"
    assert resolve_key(row, NO_KEY, {variable: "shared"}).get_secret_value() == "shared"
    for environ in ({}, {variable: ""}):
        with pytest.raises(InvalidField) as caught:
            resolve_key(row, NO_KEY, environ)
        assert caught.value.field == field
        assert caught.value.message.startswith("is required: ")
        assert f"{variable} is not set" in caught.value.message


def test_an_embedded_provider_needs_no_key() -> None:
    credentials = resolve_credentials(STT_TABLE["pocketsphinx"], NO_KEY, {})
    assert (credentials.key.get_secret_value(), credentials.base_url) == ("", "")


@pytest.mark.parametrize(
    ("row", "url", "expected"),
    [
        (LLM_TABLE["openai"], "", "https://api.openai.com/v1"),
        (LLM_TABLE["openai"], "http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1"),
        (LLM_TABLE["anthropic"], "https://gateway/anthropic", "https://gateway/anthropic"),
        (STT_TABLE["deepgram"], "ws://127.0.0.1:9", "ws://127.0.0.1:9"),
        (TTS_TABLE["deepgram"], "http://127.0.0.1:9", "ws://127.0.0.1:9"),
        (TTS_TABLE["elevenlabs"], "https://host", "wss://host"),
        (TTS_TABLE["openai"], "wss://host/v1", "https://host/v1"),
    ],
)
def test_an_endpoint_comes_from_the_environment(row: ProviderRow, url: str, expected: str) -> None:
    assert resolve_base_url(row, {row.base_url_variable: url}) == expected


@given(st.text(max_size=30))
def test_an_endpoint_is_a_url_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidField):
        url = resolve_base_url(STT_TABLE["deepgram"], {"AICALL_BASE_URL_DEEPGRAM": text})
        assert url.startswith(("ws://", "wss://"))


@pytest.mark.parametrize("text", ["host", "//host", "ftp://host", "ws://", "wss:///path", "http://["])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="must be a URL") as caught:
        resolve_base_url(STT_TABLE["deepgram"], {"AICALL_BASE_URL_DEEPGRAM": text})
    assert caught.value.field == "AICALL_BASE_URL_DEEPGRAM"


def test_an_endpoint_is_made_of_options() -> None:
    row = row_with(base_url="https://{region}.v", options=(REGION, MODEL), default_model="m")
    options = resolve_options(row, {"region": "eu-1"}, {"V_REGION": "us-1"})
    assert options == {"region": "eu-1", "model": ""}
    assert resolve_credentials(row, SecretStr("k"), {}, options).base_url == "https://eu-1.v"
    assert resolve_credentials(row, SecretStr("k"), {"V_REGION": "us-1"}).base_url == "https://us-1.v"
    assert resolve_base_url(row, {"AICALL_BASE_URL_V": "http://127.0.0.1:9"}, options) == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ({}, "region", "is required: V needs it, or set V_REGION"),
        ({"region": "EU/../x"}, "region", "is malformed"),
        ({"region": "eu", "zone": "1"}, "zone", "V has no such option; it has: region"),
        ({"region": "eu", "base_url": "https://x"}, "base_url", "V has no such option; it has: region"),
    ],
)
def test_a_wrong_option_is_refused(given: dict[str, str], name: str, message: str) -> None:
    with pytest.raises(InvalidField) as caught:
        resolve_options(row_with(options=(REGION,)), given, {})
    assert (caught.value.field, caught.value.message) == (f"parameter.tts_options.{name}", message)


def test_an_endpoint_of_the_operators_needs_no_option_for_its_name() -> None:
    assert resolve_options(row_with(options=(REGION,)), {}, {"AICALL_BASE_URL_V": "http://h"}) == {"region": ""}


OWN = row_with(own_endpoint=True)


def test_an_ai_may_name_an_endpoint_with_a_key_of_its_own() -> None:
    options = resolve_options(OWN, {"base_url": "https://models.example.com/v1/"}, {})
    credentials = resolve_credentials(OWN, SecretStr("own"), {"V_KEY": "operators"}, options)
    assert (credentials.key.get_secret_value(), credentials.base_url) == ("own", "https://models.example.com/v1")


def test_the_operators_key_never_goes_to_an_endpoint_that_an_ai_names() -> None:
    options = resolve_options(OWN, {"base_url": "https://models.example.com/v1"}, {})
    with pytest.raises(InvalidField) as caught:
        resolve_credentials(OWN, NO_KEY, {"V_KEY": SECRET}, options)
    assert caught.value.field == "parameter.tts_key"
    optional = row_with(own_endpoint=True, key_optional=True)
    assert not resolve_credentials(optional, NO_KEY, {"V_KEY": SECRET}, options).key.get_secret_value()


PRIVATE = [
    "https://localhost/v1",
    "https://127.0.0.1/v1",
    "https://127.1/v1",
    "https://2130706433/v1",
    "https://0x7f.0.0.1/v1",
    "https://10.1.2.3",
    "https://169.254.169.254/latest",
    "https://[::1]:8443",
    "https://[::ffff:10.0.0.1]",
    "https://[fd00::1]",
    "https://metadata.google.internal",
    "https://printer.local",
    "https://intranet",
    "http://models.example.com",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_an_ai_reaches_no_private_network_unless_the_operator_allows_it(url: str) -> None:
    with pytest.raises(InvalidField) as caught:
        resolve_options(OWN, {"base_url": url}, {})
    assert caught.value.field == "parameter.tts_options.base_url"
    assert resolve_options(OWN, {"base_url": url}, {ALLOW_PRIVATE_ENDPOINTS: "true"}) == {"base_url": url}


@pytest.mark.parametrize("url", ["x", "ftp://host", "https://", "https://user:pass@host", "https://h:99999", "wss://h"])
def test_what_is_no_endpoint_is_refused_whoever_allows_it(url: str) -> None:
    with pytest.raises(InvalidField, match="must be a URL"):
        resolve_options(OWN, {"base_url": url}, {ALLOW_PRIVATE_ENDPOINTS: "true"})


AWS = row_with(key_kind=KeyKind.AWS, key_variable="AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AKIA1:s3cr/et+", ("AKIA1", "s3cr/et+", "")),
        ("AKIA1:s3cret:tok:en", ("AKIA1", "s3cret", "tok:en")),
        (json.dumps({"access_key_id": "AKIA1", "secret_access_key": "s"}), ("AKIA1", "s", "")),
        (
            json.dumps({"access_key_id": "AKIA1", "secret_access_key": "s", "session_token": "t"}),
            ("AKIA1", "s", "t"),
        ),
    ],
)
def test_an_aws_key(text: str, expected: tuple[str, str, str]) -> None:
    found = resolve_credentials(AWS, SecretStr(text), {})
    assert (found.identity, found.key.get_secret_value(), found.session_token.get_secret_value()) == expected


def test_an_aws_key_of_the_environment() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s:1", "AWS_SESSION_TOKEN": "t"}
    found = resolve_credentials(AWS, NO_KEY, environ)
    assert (found.identity, found.key.get_secret_value(), found.session_token.get_secret_value()) == (
        "AKIA1",
        "s:1",
        "t",
    )
    with pytest.raises(InvalidField, match="AWS_ACCESS_KEY_ID is not set"):
        resolve_credentials(AWS, NO_KEY, {"AWS_SECRET_ACCESS_KEY": "s"})


@pytest.mark.parametrize(
    "text", ["secret", ":secret", "id:", "{", "{}", '{"access_key_id": 1}', "[" * 2000, "{" * 9000]
)
def test_what_is_no_aws_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        resolve_credentials(AWS, SecretStr(text), {})
    assert caught.value.field == "parameter.tts_key"
    assert "secret:" not in caught.value.message


def test_a_pair() -> None:
    found = resolve_credentials(row_with(key_kind=KeyKind.PAIR), SecretStr("user:k:ey"), {})
    assert (found.identity, found.key.get_secret_value()) == ("user", "k:ey")
    for text in ("user", "user:", ":key"):
        with pytest.raises(InvalidField, match="must have the form USER_ID:KEY"):
            resolve_credentials(row_with(key_kind=KeyKind.PAIR), SecretStr(text), {})


GOOGLE = row_with(key_kind=KeyKind.GOOGLE, key_variable="GOOGLE_APPLICATION_CREDENTIALS")


def test_a_service_account_is_given_or_in_a_file(tmp_path: Path) -> None:
    text = json.dumps(SERVICE_ACCOUNT)
    assert resolve_credentials(GOOGLE, SecretStr(text), {}).key.get_secret_value() == text
    path = tmp_path / "account.json"
    path.write_text(text)
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    assert resolve_credentials(GOOGLE, NO_KEY, environ).key.get_secret_value() == text
    with pytest.raises(InvalidField) as caught:
        resolve_credentials(GOOGLE, NO_KEY, {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none")})
    assert caught.value.field == "GOOGLE_APPLICATION_CREDENTIALS"


@pytest.mark.parametrize(
    "change",
    [
        {"type": "external_account"},
        {"type": "authorized_user"},
        {"client_email": ""},
        {"private_key": 7},
        {"project_id": None},
        {"token_uri": "https://evil.example/token"},
    ],
)
def test_any_other_kind_of_google_credentials_is_refused_and_not_quoted(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidField) as caught:
        resolve_credentials(GOOGLE, SecretStr(json.dumps(SERVICE_ACCOUNT | change)), {})
    assert caught.value.field == "parameter.tts_key"
    assert SECRET not in caught.value.message


def test_a_path_in_an_ai_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text(json.dumps(SERVICE_ACCOUNT))
    with pytest.raises(InvalidField, match="is not a JSON object"):
        resolve_credentials(GOOGLE, SecretStr(str(path)), {})


@given(st.text(max_size=60), st.sampled_from([AWS, GOOGLE, row_with(key_kind=KeyKind.PAIR)]))
def test_any_key_is_taken_or_refused(text: str, row: ProviderRow) -> None:
    with contextlib.suppress(InvalidField):
        found = resolve_credentials(row, SecretStr(text), {})
        assert found.key.get_secret_value()
        assert text not in repr(found) or len(text) < 8
