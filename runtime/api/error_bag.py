"""Errors under ``/api/v1`` as the clients of seeds 000 and 002 read them: Laravel's error bag (pbx facts A3 and A8).

The document stays a problem document (RFC 9457) with the same members, and the bag's beside them; but ``errors`` is an
object, in which each field has a list of messages.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

_PREFIX = "/api/v1/"
_REQUIRED = "is required"


class ErrorBag(BaseModel):
    """An error of the routes under ``/api/v1``.

    Attributes:
        type: Stable name of the kind of problem, ``urn:aicall:problem:<name>``.
        title: The kind of problem, for people.
        status: The HTTP status.
        detail: What went wrong this time.
        instance: Path of the request.
        message: What went wrong this time; of several wrong fields, the first, and how many there are.
        error: The kind of problem, for people.
        errors: The fields that are wrong, if any are, each with what is wrong with it.
        references: What refers to the resource that was to be deleted, in lists by kind, if that is what went wrong.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    message: str
    error: str
    errors: dict[str, list[str]] = Field(default_factory=dict)
    references: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)


def is_bagged(path: str) -> bool:
    """Say whether errors of this path are told so."""
    return path.startswith(_PREFIX)


def as_bag(problem: dict[str, Any]) -> dict[str, Any]:
    """Return a problem document with the members of an error bag."""
    bag = {"error": problem["title"], **problem, "message": problem["detail"]}
    if "errors" in problem:
        errors: dict[str, list[str]] = {}
        for found in problem["errors"]:
            field, message = found["field"], found["message"]
            errors.setdefault(field, []).append(f"The {field} field is required." if message == _REQUIRED else message)
        first, *others = [message for messages in errors.values() for message in messages]
        more = f" (and {len(others)} more error{'s' * (len(others) > 1)})" if others else ""
        bag |= {"errors": errors, "message": first + more}
    return bag
