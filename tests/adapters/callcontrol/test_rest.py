from __future__ import annotations

import pytest
from pydantic import SecretStr

from adapters.callcontrol.rest import MOST_BYTES, Reply, RestClient, checked_digits, segment
from models.errors import InvalidField, ToolFailed
from tests.adapters.tools.clients import local_client
from tests.standins.tools import ToolStandIn


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("CA1", "CA1"), ("v3:a_b-c", "v3%3Aa_b-c"), ("a/b?c#d", "a%2Fb%3Fc%23d"), ("..", "-"), (".", "-"), ("", "-")],
)
def test_one_segment_of_a_path(text: str, quoted: str) -> None:
    assert segment(text) == quoted


def test_digits() -> None:
    assert checked_digits({"digits": "0123456789*#ABCDw"}) == "0123456789*#ABCDw"
    with pytest.raises(InvalidField):
        checked_digits({})


def test_a_place_in_a_document() -> None:
    reply = Reply(200, {"errors": [{"code": "1"}]})
    assert reply.field("errors", 0, "code") == "1"
    assert [reply.field("errors", 1), reply.field(0), reply.field("a", "b")] == [None, None, None]
    assert Reply(200, "text").field("errors") is None


async def test_an_answer_that_is_too_large() -> None:
    async with ToolStandIn() as stand_in:
        stand_in.answers["tool"] = "x" * (MOST_BYTES + 1)
        client = RestClient(local_client(), stand_in.http_url, secrets=[])
        with pytest.raises(ToolFailed, match="too large"):
            await client.ask("GET", "/tool", headers={})
        await client.aclose()


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_connection_that_breaks(repeatable: bool) -> None:
    async with ToolStandIn() as stand_in:
        stand_in.lose = 1
        client = RestClient(local_client(), stand_in.http_url, secrets=[])
        try:
            reply: Reply | None = await client.ask("POST", "/tool", headers={}, json_body={}, repeatable=repeatable)
        except ToolFailed:
            reply = None
        assert (reply is not None) is repeatable
        assert len(stand_in.requests) == (2 if repeatable else 1)
        await client.aclose()


async def test_secrets_are_blotted_out() -> None:
    client = RestClient(local_client(), "http://127.0.0.1", secrets=[SecretStr("s3cret"), SecretStr("")])
    assert client.failure(Reply(401, None), "s3cret is wrong").detail == "… is wrong"
    await client.aclose()
