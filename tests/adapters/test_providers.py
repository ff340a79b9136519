import json
import subprocess
import sys

from adapters.providers import providers_document

SECRET = "a-key-that-must-not-be-shown"


def test_describes_every_seat() -> None:
    document = providers_document({})
    assert {seat: len(rows) for seat, rows in document.items()} == {"llm": 20, "stt": 6, "tts": 12}
    assert json.loads(json.dumps(document)) == document
    for rows in document.values():
        for row in rows:
            assert row["runs"] is (row["why_not"] is None)


def test_tells_what_runs_and_what_does_not() -> None:
    tts = {row["name"]: row for row in providers_document({})["tts"]}
    assert tts["elevenlabs"] == {
        "name": "elevenlabs",
        "label": "ElevenLabs",
        "runs": True,
        "why_not": None,
        "key_variable": "ELEVENLABS_API_KEY",
        "key_set": False,
        "base_url_variable": "AICALL_BASE_URL_ELEVENLABS",
        "base_url_set": False,
        "own_endpoint": False,
        "options": [
            {
                "name": "model",
                "summary": "The vendor's name of the model",
                "required": False,
                "variable": None,
                "default": None,
            }
        ],
        "health": None,
        "extra": None,
        "installed": True,
        "default_model": "eleven_flash_v2_5",
        "default_voice": "EXAVITQu4vr4xnSDxMaL",
        "voices": None,
        "languages": None,
        "sample_rates_hz": [8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000],
        "capabilities": ["streaming", "word_timestamps"],
    }
    assert tts["playht"]["why_not"] == "PlayHT closed at the end of 2025; choose another tts_type"
    assert tts["espeak"]["key_variable"] is None


def test_never_shows_a_key() -> None:
    environ = {"OPENAI_API_KEY": SECRET, "AICALL_BASE_URL_OPENAI": f"https://user:{SECRET}@host/v1"}
    document = providers_document(environ)
    openai = document["llm"][0]
    assert openai["key_set"] is True
    assert openai["base_url_set"] is True
    assert SECRET not in json.dumps(document)


def test_the_tables_import_no_vendor() -> None:
    """What a process that only answers HTTP pays: none of the SDKs."""
    code = """
import sys
import adapters.providers, adapters.validate, adapters.keys
import adapters.llm.build, adapters.stt.build, adapters.tts.build
sdks = {"openai", "anthropic", "deepgram", "elevenlabs", "pocketsphinx", "espeakng_loader"}
print(sorted(sdks & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
