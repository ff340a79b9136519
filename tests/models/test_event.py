from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from models.event import Event, EventType, NewEvent, status_event_type
from models.status import AicallStatus
from tests.models.seeds import STATUSES

NEW = NewEvent(
    type="aimessage_created",
    aicall_id=UUID(int=7),
    tm_create=datetime(2024, 3, 1, 10, tzinfo=UTC),
    data={"content": "Hello"},
)


def test_status_events_are_named_after_their_status() -> None:
    assert [status_event_type(status) for status in AicallStatus] == [f"aicall_status_{name}" for name in STATUSES]


def test_other_events() -> None:
    assert set(EventType) == {
        "aimessage_created",
        "aicall_tool_called",
        "aicall_turn_completed",
        "aicall_variables_set",
        "aicall_provider_failed",
        "aicall_provider_switched",
        "aicall_filler_said",
        "team_member_switched",
        "aimessage_intermediate",
        "aicall_usage",
    }


def test_the_envelope() -> None:
    event = Event(id="01-0001", sequence=3, **NEW.model_dump())
    public = event.public()
    assert list(public) == ["id", "type", "aicall_id", "sequence", "tm_create", "data"]
    assert public == {
        "id": "01-0001",
        "type": "aimessage_created",
        "aicall_id": "00000000-0000-0000-0000-000000000007",
        "sequence": 3,
        "tm_create": "2024-03-01T10:00:00.000000Z",
        "data": {"content": "Hello"},
    }
    assert Event.model_validate(public) == event


def test_an_event_is_not_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        NEW.type = "other"  # type: ignore[misc]
