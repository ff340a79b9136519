"""From an AI to the recogniser: the key, the endpoint and the audio that are really used."""

import pytest
from pydantic import SecretStr

from adapters.stt.build import build_stt
from models.errors import InvalidField
from models.providers import SttType
from tests.adapters.vendors import patient_clients, until
from tests.standins.deepgram import DeepgramStandIn
from tests.standins.pipeline import piped

NO_KEY = SecretStr("")


@pytest.mark.parametrize(("own", "used"), [("", "of-the-variable"), ("of-the-ai", "of-the-ai")])
@pytest.mark.parametrize("rate_hz", [8000, 16_000])
async def test_the_vendor_gets_the_right_key_and_rate(own: str, used: str, rate_hz: int) -> None:
    async with DeepgramStandIn(keys=None) as vendor, patient_clients() as clients:
        stt = build_stt(
            SttType.DEEPGRAM,
            key=SecretStr(own),
            language="de-DE",
            sample_rate_hz=rate_hz,
            stop_secs=0.2,
            resources=clients,
            environ={"DEEPGRAM_API_KEY": "of-the-variable", "AICALL_BASE_URL_DEEPGRAM": vendor.http_url},
        )
        async with piped(stt, rate_hz):
            await until(lambda: vendor.requests)
        (request,) = vendor.requests_to("listen")
        assert request.headers["authorization"] == f"Token {used}"
        assert request.query["sample_rate"] == str(rate_hz)
        assert request.query["language"] == "de"


@pytest.mark.parametrize(
    ("stt_type", "phrases", "field"),
    [
        (SttType.DEEPGRAM, (), "parameter.stt_key"),
        (SttType.CARTESIA, (), "parameter.stt_key"),
        (SttType.ELEVENLABS, (), "parameter.stt_key"),
        (SttType.POCKETSPHINX, ("4711",), "phrases"),
    ],
)
async def test_what_cannot_be_made_names_the_field(stt_type: SttType, phrases: tuple[str, ...], field: str) -> None:
    async with patient_clients() as clients:
        with pytest.raises(InvalidField) as caught:
            build_stt(
                stt_type,
                key=NO_KEY,
                language="",
                sample_rate_hz=8000,
                stop_secs=0.2,
                phrases=phrases,
                resources=clients,
                environ={},
            )
        assert caught.value.field == field
