import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from adapters.credentials import resolve_credentials, resolve_options
from adapters.local_models import LOCAL_MODEL, MODELS_DIR, LocalRow, file_of
from adapters.stt.build import build_stt
from adapters.stt.table import STT_TABLE
from adapters.tts.build import build_tts
from adapters.tts.table import TTS_TABLE
from adapters.validate import validate_ai
from models.ai import AiFields, AiSecrets
from models.errors import InvalidField
from models.providers import SttType, TtsType
from tests.adapters.offline import offline
from tests.adapters.vendors import patient_clients

ROWS = {
    row.name: cast("LocalRow", row)
    for row in (
        STT_TABLE[SttType.WHISPER],
        STT_TABLE[SttType.MOONSHINE],
        TTS_TABLE[TtsType.PIPER],
        TTS_TABLE[TtsType.KOKORO],
    )
}
FILES = {
    "whisper": ["base.en/model.bin", "base.en/config.json", "base.en/tokenizer.json", "base.en/vocabulary.txt"],
    "moonshine": [
        "small-streaming-en/adapter.ort",
        "small-streaming-en/cross_kv.ort",
        "small-streaming-en/decoder_kv.ort",
        "small-streaming-en/encoder.ort",
        "small-streaming-en/frontend.model.ort",
        "small-streaming-en/frontend.weights.ort",
        "small-streaming-en/streaming_config.json",
        "small-streaming-en/tokenizer.bin",
    ],
    "piper": ["en_US-ljspeech-medium.onnx", "en_US-ljspeech-medium.onnx.json"],
    "kokoro": ["v1.0/kokoro-v1.0.onnx", "v1.0/voices-v1.0.bin"],
}
"""What the downloads of the default models are made of."""

AI: dict[str, Any] = {
    "name": "Reception",
    "engine_model": "script.receptionist",
    "init_prompt": "Be kind.",
    "tts_type": TtsType.ESPEAK,
    "stt_type": SttType.POCKETSPHINX,
}
SEATS = {"whisper": "stt", "moonshine": "stt", "piper": "tts", "kokoro": "tts"}


def put(folder: Path, system: str) -> None:
    for name in FILES[system]:
        path = folder / system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def save(environ: dict[str, str], **fields: Any) -> None:
    validate_ai(AiFields.model_validate(AI | fields), AiSecrets(), environ)


def ai_on(system: str, **options: str) -> dict[str, Any]:
    seat = SEATS[system]
    return {f"{seat}_type": system, "parameter": {f"{seat}_options": options}}


@pytest.mark.parametrize("system", FILES)
def test_a_whole_model_is_found(tmp_path: Path, system: str) -> None:
    put(tmp_path, system)
    row = ROWS[system]
    assert row.find("", {MODELS_DIR: str(tmp_path)}) == tmp_path / system / row.default_model
    assert row.find(row.default_model, {MODELS_DIR: str(tmp_path)}) == tmp_path / system / row.default_model


@pytest.mark.parametrize(("system", "file"), [(system, file) for system, files in FILES.items() for file in files])
def test_a_missing_file_is_told_with_what_to_download(tmp_path: Path, system: str, file: str) -> None:
    put(tmp_path, system)
    path = tmp_path / system / file
    for spoil in (lambda: path.write_bytes(b""), path.unlink, path.mkdir):
        spoil()
        with pytest.raises(InvalidField) as caught:
            ROWS[system].find("", {MODELS_DIR: str(tmp_path)})
        assert caught.value.field == f"parameter.{SEATS[system]}_options.model"
        assert caught.value.message.startswith(f"{system}/{file[:4]}")
        assert "download it" in caught.value.message
        assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("system", FILES)
def test_a_missing_folder_and_variable_are_told(tmp_path: Path, system: str) -> None:
    for environ in ({}, {MODELS_DIR: ""}):
        with pytest.raises(InvalidField, match=f"{MODELS_DIR} is not set; download it"):
            ROWS[system].find("", environ)
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InvalidField, match="is missing in the folder of"):
            ROWS[system].find("", {MODELS_DIR: str(folder)})


def test_two_files_where_one_is_wanted_are_told(tmp_path: Path) -> None:
    put(tmp_path, "kokoro")
    (tmp_path / "kokoro/v1.0/kokoro-v1.0.int8.onnx").write_bytes(b"x")
    with pytest.raises(InvalidField, match=r"kokoro/v1.0/kokoro\*.onnx stands for more than one file"):
        ROWS["kokoro"].find("", {MODELS_DIR: str(tmp_path)})


@pytest.mark.parametrize("name", ["../base.en", "/etc", "a/b", "..", ".hidden", "-x", "a\\b", "b\n", "*", "base.en/"])
@pytest.mark.parametrize("system", FILES)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, system: str, name: str) -> None:
    row = ROWS[system]
    with pytest.raises(InvalidField) as caught:
        resolve_options(row, {"model": name}, {})
    assert caught.value.field == f"parameter.{SEATS[system]}_options.model"
    with pytest.raises(InvalidField, match="has no model of this name"):
        row.find(name, {MODELS_DIR: str(tmp_path)})
    assert row.options == (LOCAL_MODEL,)


@pytest.mark.parametrize("name", ["large-en", "tiny", "tiny-english", "medium-en", "small-streaming"])
def test_a_name_that_moonshine_does_not_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidField, match="has no model of this name; one is small-streaming-en"):
        ROWS["moonshine"].find(name, {MODELS_DIR: str(tmp_path)})


@pytest.mark.parametrize(
    ("system", "model", "language", "fits"),
    [
        ("whisper", "", "en", True),
        ("whisper", "", "de", False),
        ("whisper", "base", "de", True),
        ("whisper", "distil-small.en", "fr", False),
        ("whisper", "base.en", "", True),
        ("moonshine", "", "en", True),
        ("moonshine", "tiny-ko", "ko", True),
        ("moonshine", "tiny-ko", "en", False),
        ("moonshine", "tiny-ko", "", True),
    ],
)
def test_a_model_of_one_language_hears_no_other(system: str, model: str, language: str, fits: bool) -> None:
    row = ROWS[system]
    if fits:
        row.require_language(model, language)
        return
    with pytest.raises(InvalidField, match="understands only: ") as caught:
        row.require_language(model, language)
    assert caught.value.field == "stt_language"


def test_a_file_that_is_gone_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    put(tmp_path, "whisper")
    model = tmp_path / "whisper" / "base.en"
    assert file_of(model, "{model}/vocabulary.*") == model / "vocabulary.txt"
    (model / "vocabulary.txt").unlink()
    with pytest.raises(FileNotFoundError):
        file_of(model, "{model}/vocabulary.*")


@pytest.mark.parametrize("system", FILES)
def test_an_ai_is_saved_with_its_model_only(tmp_path: Path, system: str) -> None:
    environ = {MODELS_DIR: str(tmp_path)}
    with pytest.raises(InvalidField, match="is missing") as caught:
        save(environ, **ai_on(system))
    assert caught.value.field == f"parameter.{SEATS[system]}_options.model"
    with pytest.raises(InvalidField, match="is missing") as caught:
        save(environ, parameter={"fallback": {SEATS[system]: [{f"{SEATS[system]}_type": system}]}})
    assert caught.value.field == f"parameter.fallback.{SEATS[system]}[0].options.model"
    put(tmp_path, system)
    save(environ, **ai_on(system))
    save(environ, **ai_on(system, model=ROWS[system].default_model))
    with pytest.raises(InvalidField):
        save(environ, **ai_on(system, model="../x"))


def test_an_ai_is_saved_with_its_models_language_only(tmp_path: Path) -> None:
    put(tmp_path, "whisper")
    environ = {MODELS_DIR: str(tmp_path)}
    save(environ, stt_language="en-GB", **ai_on("whisper"))
    with pytest.raises(InvalidField, match=r"the model base.en understands only: en") as caught:
        save(environ, stt_language="fr-FR", **ai_on("whisper"))
    assert caught.value.field == "stt_language"


def test_the_block_of_the_network_holds() -> None:
    with offline() as attempts, pytest.raises(OSError, match="the network is blocked"):
        socket.create_connection(("127.0.0.1", 9))
    assert attempts == ["socket.getaddrinfo"]
    with socket.socket() as one, offline() as attempts, pytest.raises(OSError, match="the network is blocked"):
        one.connect(("127.0.0.1", 9))
    assert attempts == ["socket.connect"]


@pytest.mark.parametrize("system", FILES)
async def test_nothing_is_fetched_for_a_model_that_is_missing(tmp_path: Path, system: str) -> None:
    environ = {MODELS_DIR: str(tmp_path)}
    common: dict[str, Any] = {"key": SecretStr(""), "language": "", "sample_rate_hz": 8000, "environ": environ}
    async with patient_clients() as clients:
        builds: dict[str, Callable[[], object]] = {
            "stt": lambda: build_stt(SttType(system), stop_secs=0.2, resources=clients, **common),
            "tts": lambda: build_tts(TtsType(system), voice="", resources=clients, **common),
        }
        with offline() as attempts:
            with pytest.raises(InvalidField, match="is missing in the folder of"):
                builds[SEATS[system]]()
            with pytest.raises(InvalidField, match="is missing in the folder of"):
                resolve_credentials(ROWS[system], SecretStr(""), environ)
        assert attempts == []
