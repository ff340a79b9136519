"""Google Cloud accounts for speech: ``ListVoices``.

https://cloud.google.com/text-to-speech/docs/reference/rpc/google.cloud.texttospeech.v1
"""

from __future__ import annotations

from collections.abc import Mapping

from google.cloud.texttospeech_v1 import ListVoicesRequest, ListVoicesResponse, SsmlVoiceGender

from adapters.accounts.offer import Offer
from adapters.clients import SharedClients
from adapters.google_cloud import google_api
from adapters.requests import Credentials
from adapters.tts.google import AUDIENCE

_PATH = "/google.cloud.texttospeech.v1.TextToSpeech/ListVoices"
_GENDERS = {SsmlVoiceGender.MALE: "male", SsmlVoiceGender.FEMALE: "female", SsmlVoiceGender.NEUTRAL: "neutral"}


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the account may use the API, by the voices of one language.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused or the vendor cannot be asked; of gRPC's and google-auth's own kinds.
    """
    del options
    await _list(credentials, clients, ListVoicesRequest(language_code="en-US"))


async def list_voices(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> list[Offer]:
    """List all voices; arguments and errors as `check`."""
    del options
    response = await _list(credentials, clients, ListVoicesRequest())
    return [
        Offer(voice.name, languages=tuple(voice.language_codes), gender=_GENDERS.get(voice.ssml_gender, ""))
        for voice in response.voices
    ]


async def _list(credentials: Credentials, clients: SharedClients, request: ListVoicesRequest) -> ListVoicesResponse:
    call = google_api(credentials, AUDIENCE, clients).call(_PATH, [ListVoicesRequest.serialize(request)])
    response = ListVoicesResponse()
    try:
        async for message in call.responses(clients.limits.quiet_s):
            response = ListVoicesResponse.deserialize(message)
    finally:
        call.close()
    return response
