"""A service with both of its ends held."""

import pytest
from pipecat.frames.frames import (
    DataFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallResultProperties,
    LLMTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from pipelines.failover.enclosure import Enclosure
from tests.pipelines.puppets import Puppet

pytestmark = pytest.mark.virtual_time


class Release(Puppet):
    released = 0

    async def cleanup(self) -> None:
        self.released += 1
        await super().cleanup()  # type: ignore[no-untyped-call]


async def ignore(enclosure: Enclosure, frame: Frame, direction: FrameDirection) -> None:
    del enclosure, frame, direction


def result(final: bool = True) -> FunctionCallResultFrame:
    properties = FunctionCallResultProperties(is_final=final)
    return FunctionCallResultFrame("f", "1", {}, {"ok": True}, properties=properties)


async def test_a_tool_runs_until_its_last_result() -> None:
    held = Enclosure(Release((DataFrame,)), ignore)
    assert not held.note_tool(LLMTextFrame("x"))
    assert held.note_tool(FunctionCallInProgressFrame("f", "1", {}))
    assert held.tools == {"1"}
    assert held.done_with.is_set()
    assert held.note_tool(result(final=False))
    assert held.tools == {"1"}
    assert held.note_tool(result())
    assert held.tools == set()
    held.note_tool(FunctionCallInProgressFrame("f", "2", {}))
    assert held.note_tool(FunctionCallCancelFrame("f", "2"))
    assert held.tools == set()
    await held.release()


async def test_a_service_is_released_once() -> None:
    service = Release((DataFrame,))
    held = Enclosure(service, ignore)
    await held.release()
    await held.release()
    assert service.released == 1
