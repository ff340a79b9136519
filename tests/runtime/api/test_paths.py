from __future__ import annotations

from fastapi import FastAPI, Request

from runtime.api.paths import operations_at


def request_to(path: str) -> Request:
    app = FastAPI()
    app.openapi = lambda: {  # type: ignore[method-assign]
        "paths": {
            "/a.b/{id}": {"get": {"name": "item"}},
            "/a.b/{id}/c": {"post": {"name": "act"}},
            "/a.b/all": {"get": {"name": "literal"}},
        }
    }
    return Request({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "app": app})


def names(path: str) -> list[str]:
    return [operation["name"] for methods in operations_at(request_to(path)) for operation in methods.values()]


def test_a_path_has_the_operations_of_every_template_it_fits_in_the_order_of_the_routes() -> None:
    assert names("/a.b/1") == ["item"]
    assert names("/a.b/all") == ["item", "literal"]
    assert names("/a.b/1/c") == ["act"]
    for stranger in ("/a.b", "/a.b/", "/aXb/1", "/a.b/1/c/d", "/a.b/1/C"):
        assert names(stranger) == []
