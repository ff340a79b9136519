"""The parts fit each other; what they do together is in `test_conversation.py`."""

import pytest
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema

from models.options import CallOptions
from models.turn import TurnTrigger
from models.vad import EffectiveVad
from pipelines.conversation.parts import Parts, make_parts, make_worker
from pipelines.conversation.types import ConversationSettings
from pipelines.failover.failures import Seat
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls

pytestmark = pytest.mark.virtual_time


class Notes:
    """A `PartsListener` that notes the turns."""

    def __init__(self) -> None:
        self.turns: list[TurnTrigger] = []
        self.answered: list[str] = []

    def turn_began(self, trigger: TurnTrigger) -> None:
        self.turns.append(trigger)

    def stalled(self, seat: Seat) -> None:
        raise AssertionError(seat)

    def recogniser_listens(self, since_s: float) -> bool:
        return since_s < 0

    def filler_said(self, text: str) -> None:
        raise AssertionError(text)

    def answered_early(self, text: str) -> None:
        self.answered.append(text)


def parts(inference: InferenceEngine, notes: Notes, *, early: bool = False) -> Parts:
    settings = ConversationSettings(
        vad=EffectiveVad(),
        smart_turn_enabled=False,
        options=CallOptions(),
        idle_timeout_s=20.0,
        answers_early=early,
    )
    return make_parts(
        calls.embedded(),
        settings,
        calls.Host().schemas(),
        sink=calls.Phone(),
        inference=inference,
        listener=calls.Witness(),
        parts_listener=notes,
        greetings=None,
        phrases=None,
    )


async def release(made: Parts) -> None:
    for processor in (made.services.stt, made.services.llm, made.services.tts, made.input, made.output):
        await processor.cleanup()


async def test_the_model_knows_the_tools(inference: InferenceEngine) -> None:
    made = parts(inference, Notes())
    tools = made.context.tools
    assert isinstance(tools, ToolsSchema)
    assert [it.name for it in tools.standard_tools] == [it.name for it in calls.Host().schemas()]
    await release(made)


@pytest.mark.parametrize("early", [True, False])
async def test_answers_are_begun_early_where_that_is_wanted(inference: InferenceEngine, early: bool) -> None:
    made = parts(inference, Notes(), early=early)
    assert (made.early is not None) == early
    await release(made)


async def test_who_is_told_of_turns(inference: InferenceEngine) -> None:
    notes = Notes()
    made = parts(inference, notes)
    made.ledger.media_started()
    made.ledger.begin(TurnTrigger.GREETING)
    assert notes.turns == [TurnTrigger.GREETING]
    made.ledger.close()
    await release(made)


async def test_the_pipeline_holds_every_service(inference: InferenceEngine) -> None:
    made = parts(inference, Notes())
    worker = make_worker(made, 8_000)
    held = worker.pipeline.processors[1:-1]
    inner = [it for processor in held for it in [processor, *getattr(processor, "processors", [])]]
    assert {made.services.stt, made.services.llm, made.services.tts} <= set(inner)
    await release(made)
