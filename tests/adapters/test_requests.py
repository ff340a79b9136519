from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.requests import Credentials, LlmRequest


def test_a_request_shows_no_secret() -> None:
    credentials = Credentials(SecretStr("the-key"), "https://v", "id", SecretStr("the-token"))
    request = LlmRequest(
        model="m", system_instruction="", credentials=credentials, clients=SharedClients(), function_call_timeout_s=1.0
    )
    assert "the-key" not in repr(request)
    assert "the-token" not in repr(request)
