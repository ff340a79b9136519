from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.api.bodies import MAX_BODY_BYTES, MAX_DEPTH, parse_json
from tests.runtime.serving import Api, an_ai

JSON_TEXT = st.text(st.characters(codec="utf-8"))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | JSON_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(JSON_TEXT, inner),
    max_leaves=20,
)


@given(document=DOCUMENTS)
def test_what_is_json_is_read(document: Any) -> None:
    assert parse_json(json.dumps(document).encode()) == document
    assert parse_json(json.dumps(document, ensure_ascii=False).encode()) == document


@given(body=st.binary(max_size=60))
def test_any_other_bytes_are_refused_and_not_quoted(body: bytes) -> None:
    try:
        parse_json(body)
    except json.JSONDecodeError as error:
        quoted = error.doc
    else:
        quoted = ""
    assert quoted == ""


NOT_JSON = [
    b"{",
    b"",
    b"{'a': 1}",
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b'{"a": 1e999}',
    b'{"a": "\\ud800"}',
    b'{"\\udfff": 1}',
    b"\xff",
    '{"a": 1}'.encode("utf-16"),
    b"1" * 5000,
    b"[" * 100_000,
    b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
]


@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:16]))
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        parse_json(body)


def test_the_deepest_document() -> None:
    depth = MAX_DEPTH - 1
    parse_json(b"[" * depth + b"1" + b"]" * depth)


async def test_the_api_refuses_what_is_not_json(api: Api) -> None:
    headers = {"content-type": "application/json"}
    for body in NOT_JSON:
        if body:
            problem = await api.problem("POST", "/v1.0/ais", 400, content=body, headers=headers)
            assert [error["field"] for error in problem["errors"]] == ["body"]
    secret = '{"engine_key": "sk-canary", '
    assert "sk-canary" not in (await api.http.post("/v1.0/ais", content=secret, headers=headers)).text


async def test_a_body_that_is_no_object(api: Api) -> None:
    requests: list[dict[str, Any]] = [
        {"json": []},
        {"json": "x"},
        {"json": None},
        {"content": b""},
        {"data": {"name": "x"}},
    ]
    for request in requests:
        assert await api.wrong_field("POST", "/v1.0/ais", **request) == "body"


async def test_an_oversized_body_is_refused(api: Api) -> None:
    body = json.dumps(an_ai(detail="x" * MAX_BODY_BYTES)).encode()

    async def in_pieces() -> Any:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    headers = {"content-type": "application/json"}
    await api.problem("POST", "/v1.0/ais", 413, content=body, headers=headers)
    await api.problem("POST", "/v1.0/ais", 413, content=in_pieces(), headers=headers)
    await api.new_ai(detail="x" * (MAX_BODY_BYTES // 2))
