from __future__ import annotations

from tests.runtime.api.resources import closed_operations, document_of, make, query_of, request_of
from tests.runtime.serving import Api


async def test_a_parameter_that_no_route_knows_is_named(api: Api) -> None:
    problem = await api.problem("GET", "/v1.0/ais", 422, params={"page_size": 5, "page_sise": 5, "x": ""})
    assert [(it["field"], it["message"]) for it in problem["errors"]] == [
        ("page_sise", "is not a known field"),
        ("x", "is not a known field"),
    ]
    # Known to another method of the same path, and to another path.
    assert await api.wrong_field("GET", "/v1.0/ais", params={"verify": "true"}) == "verify"
    assert await api.wrong_field("POST", "/v1.0/aicalls", params={"status": "terminated"}, json={}) == "status"


async def test_every_route_knows_its_own_and_no_other(api: Api) -> None:
    document = await document_of(api)
    for path, method, operation in closed_operations(document):
        if path.endswith("/cxml"):
            continue  # A phone system says there what it likes.
        made = await make(api, path, document)
        request = await request_of(api, operation, document)
        query = {**await query_of(api, operation), "no_such": "1"}
        problem = await api.problem(method, path.format(**made), 422, params=query, **request)
        errors = problem["errors"]
        # Below /api/v1 they are an object, by field.
        fields = errors if isinstance(errors, dict) else [it["field"] for it in errors]
        assert "no_such" in fields, (method, path)
