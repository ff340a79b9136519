"""Conditional requests: what was read is tagged, and nobody overwrites what they have not seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.api.conditional import CHANGING, entity_tag, matches
from tests.runtime.api.resources import closed_operations, document_of, make, request_of
from tests.runtime.serving import Api, an_ai


@given(st.binary(), st.binary())
def test_a_tag_tells_representations_apart(one: bytes, other: bytes) -> None:
    assert (entity_tag(one) == entity_tag(other)) is (one == other)
    assert matches(entity_tag(one), entity_tag(one), weakly=False)


@pytest.mark.parametrize(
    ("field", "strongly", "weakly"),
    [
        ('"a"', True, True),
        ("*", True, True),
        (" * ", True, True),
        ('"b", "a"', True, True),
        ('"b","a"', True, True),
        ('W/"a"', False, True),
        ('W/"a", "a"', True, True),
        ('"b"', False, False),
        ("a", False, False),
        ("", False, False),
        ('"a', False, False),
        ('"aa"', False, False),
        ('"b, a"', False, False),
    ],
)
def test_lists_of_tags(field: str, strongly: bool, weakly: bool) -> None:
    assert matches(field, '"a"', weakly=False) is strongly
    assert matches(field, '"a"', weakly=True) is weakly


async def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    ai = await api.new_ai()
    for path in ("/v1.0/ais", f"/v1.0/ais/{ai['id']}", "/v1.0/providers", "/v1.0/events"):
        answer = await api.http.get(path)
        tag = answer.headers["etag"]
        assert (await api.http.get(path)).headers["etag"] == tag
        for known in (tag, f'"x", W/{tag}', "*"):
            unchanged = await api.http.get(path, headers={"If-None-Match": known})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == tag
            assert "content-type" not in unchanged.headers
        assert (await api.http.get(path, headers={"If-None-Match": '"x"'})).json() == answer.json()
    replaced = await api.http.put(f"/v1.0/ais/{ai['id']}", json=an_ai(name="Night desk"))
    assert replaced.status_code == 200
    changed = await api.http.get(f"/v1.0/ais/{ai['id']}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["name"]) == (200, "Night desk")
    problem = await api.http.get("/v1.0/ais/x", headers={"If-None-Match": "*"})
    assert (problem.status_code, "etag" in problem.headers) == (422, False)


async def test_only_what_was_seen_is_changed(api: Api) -> None:
    path = f"/v1.0/ais/{(await api.new_ai())['id']}"
    tag = (await api.http.get(path)).headers["etag"]
    for method, wrong in ((method, wrong) for method in ("PUT", "DELETE") for wrong in ('"x"', f"W/{tag}", "", "x")):
        body: dict[str, Any] = {"json": an_ai(name="lost")} if method == "PUT" else {}
        problem = await api.problem(method, path, 412, headers={"If-Match": wrong}, **body)
        assert "read it again" in problem["detail"]
    assert (await api.http.get(path)).headers["etag"] == tag
    assert (await api.http.put(path, json=an_ai(name="b"), headers={"If-Match": tag})).json()["name"] == "b"
    await api.problem("PUT", path, 412, json=an_ai(name="c"), headers={"If-Match": tag})
    assert (await api.ok("PUT", path, json=an_ai(name="d"), headers={"If-Match": "*"}))["name"] == "d"
    tag = (await api.http.get(path)).headers["etag"]
    await api.ok("DELETE", path, headers={"If-Match": tag})
    await api.problem("DELETE", path, 404, headers={"If-Match": tag})


async def test_of_many_who_saw_the_same_one_changes_it(api: Api) -> None:
    for path, body in (
        (f"/v1.0/ais/{(await api.new_ai())['id']}", an_ai()),
        (f"/v1.0/customers/{(await api.ok('POST', '/v1.0/customers', json={'name': 'x'}))['id']}", {"name": "x"}),
    ):
        tag = (await api.http.get(path)).headers["etag"]
        requests = (
            api.http.put(path, json={**body, "name": f"writer {number}"}, headers={"If-Match": tag})
            for number in range(8)
        )
        answers = await asyncio.gather(*requests)
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
        (won,) = (answer.json() for answer in answers if answer.status_code == 200)
        assert await api.ok("GET", path) == won


async def test_without_a_condition_no_change_is_lost_unnoticed(api: Api) -> None:
    path = f"/v1.0/ais/{(await api.new_ai())['id']}"
    answers = await asyncio.gather(*(api.http.put(path, json=an_ai(name=f"writer {number}")) for number in range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert [answer for answer in answers if answer.status_code == 200]


async def test_every_change_of_something_readable_honours_if_match(api: Api) -> None:
    document = await document_of(api)
    seen = 0
    for path, method, operation in closed_operations(document):
        if method not in CHANGING or "get" not in document["paths"][path]:
            continue
        made = await make(api, path, document)
        request = await request_of(api, operation, document)
        headers = {**request.pop("headers", {}), "If-Match": '"x"'}
        await api.problem(method, path.format(**made), 412, headers=headers, **request)
        assert await api.ok("GET", path.format(**made))
        seen += 1
    assert seen >= 8


async def test_a_method_that_there_is_not_has_no_condition(api: Api) -> None:
    path = f"/v1.0/ais/{(await api.new_ai())['id']}"
    await api.problem("PATCH", path, 405, json={}, headers={"If-Match": '"x"'})
