from __future__ import annotations

from typing import Any

import pytest

from runtime.api.error_bag import ErrorBag, as_bag, is_bagged

PROBLEM = {
    "type": "urn:aicall:problem:not-found",
    "title": "Not Found",
    "status": 404,
    "detail": "no such AI assistant",
    "instance": "/api/v1/ai-assistants/1",
}


def found(*errors: tuple[str, str]) -> dict[str, Any]:
    return {**PROBLEM, "errors": [{"field": field, "message": message} for field, message in errors]}


@pytest.mark.parametrize(
    ("path", "bagged"),
    [("/api/v1/ai-assistants", True), ("/api/v1/x", True), ("/v1.0/ais", False), ("/api/v2/x", False)],
)
def test_which_paths_are_told_so(path: str, bagged: bool) -> None:
    assert is_bagged(path) is bagged


def test_the_problem_stays_one() -> None:
    bag = as_bag(PROBLEM)
    assert bag == {**PROBLEM, "error": "Not Found", "message": "no such AI assistant"}
    ErrorBag.model_validate(bag, strict=True)


def test_fields_have_lists_of_messages() -> None:
    bag = as_bag(found(("name", "is required"), ("configuration.bot_id", "Bot ID is required"), ("name", "is bad")))
    assert bag["errors"] == {
        "name": ["The name field is required.", "is bad"],
        "configuration.bot_id": ["Bot ID is required"],
    }
    assert bag["message"] == "The name field is required. (and 2 more errors)"
    assert as_bag(found(("a", "x"), ("b", "y")))["message"] == "x (and 1 more error)"
    assert as_bag(found(("a", "x")))["message"] == "x"
    ErrorBag.model_validate(bag, strict=True)


def test_another_kind_of_error_can_be_named() -> None:
    assert as_bag({**PROBLEM, "error": "Cannot delete AI assistant"})["error"] == "Cannot delete AI assistant"
