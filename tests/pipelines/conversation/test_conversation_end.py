"""How a conversation ends: by failing vendors, and when it is stopped in any of its phases."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import EndFrame
from pipecat.pipeline.worker import PipelineWorker
from pipecat.services.llm_service import FunctionCallParams

from adapters.clients import VendorLimits
from models.aicall import EndReason
from pipelines.failover.stall_watch import StallLimits
from pipelines.vad.inference import InferenceEngine
from tests.pipelines import calls
from tests.pipelines.calls import GOODBYE, GREETING, HOURS, THE_HOURS, Call
from tests.pipelines.modelled import PATIENT, clients, elevenlabs, modelled
from tests.standins.elevenlabs import ElevenLabsStandIn
from tests.standins.faults import Faults
from tests.standins.replies import Reply

pytestmark = pytest.mark.virtual_time


async def wait(params: FunctionCallParams) -> None:
    await asyncio.get_running_loop().create_future()


class Waiting(calls.Host):
    """A host whose tools never come back."""

    def schemas(self) -> list[FunctionSchema]:
        return [FunctionSchema("wait", "Waits.", {}, [], handler=wait)]


async def greeting(call: Call) -> None:
    await asyncio.sleep(1)


async def caller_speaking(call: Call) -> None:
    await call.bot_lines(1)
    speaking = asyncio.create_task(call.caller.say(HOURS))
    await asyncio.sleep(0.8)
    speaking.cancel()


async def model_thinking(call: Call) -> None:
    await call.bot_lines(1)
    await call.caller.say(HOURS)
    await call.witness.count("user_said")
    await asyncio.sleep(0.5)


async def bot_speaking(call: Call) -> None:
    await model_thinking(call)
    await call.phone.until(lambda: call.phone.unplayed_ms > 0)


PHASES: list[tuple[Callable[[Call], Any], Reply]] = [
    (greeting, Reply("")),
    (caller_speaking, Reply("")),
    (model_thinking, Reply("Never said.", first_token_s=1_000)),
    (model_thinking, Reply("", [("wait", {})])),
    (bot_speaking, Reply(THE_HOURS)),
]


@pytest.mark.parametrize(("phase", "reply"), PHASES, ids=["greeting", "stt", "llm", "tool", "tts"])
async def test_it_can_be_stopped_at_any_time(
    inference: InferenceEngine, phase: Callable[[Call], Any], reply: Reply
) -> None:
    async with modelled(inference, GREETING, reply, limits=PATIENT, host=Waiting()) as (call, _):
        await phase(call)
        asked_s = calls.now()
        assert await call.end()
        assert call.running.done()
        assert not call.running.cancelled()
        assert calls.now() - asked_s <= calls.STOP_S / 3
        heard = list(call.witness.log)
        await asyncio.sleep(10)
        # Nothing of it reaches the call any more; and it did not end by itself.
        assert call.witness.log == heard
        assert not call.witness.reasons


async def test_it_can_be_stopped_when_the_pipeline_is_stuck_at_its_end(inference: InferenceEngine) -> None:
    """Pipecat waits for an EndFrame without limit, and does not see a cancelled worker meanwhile."""
    workers: list[PipelineWorker] = []

    async def keep(params: FunctionCallParams) -> None:
        assert isinstance(params.pipeline_worker, PipelineWorker)
        workers.append(params.pipeline_worker)
        await params.result_callback({"ok": True})

    class Keeping(calls.Host):
        def schemas(self) -> list[FunctionSchema]:
            return [FunctionSchema("keep", "Keeps.", {}, [], handler=keep)]

    replies = Reply("", [("keep", {})]), Reply("Never said.", first_token_s=1_000)
    async with modelled(inference, *replies, limits=PATIENT, host=Keeping(), stalls=StallLimits(llm_s=900.0)) as (
        call,
        vendor,
    ):
        await vendor.until(lambda: len(vendor.requests_to("chat")) == 2)
        # Behind a model that never answers.
        await workers[0].queue_frame(EndFrame())
        await asyncio.sleep(1)
        assert not call.running.done()
        asked_s = calls.now()
        assert await call.end()
        assert calls.now() - asked_s <= calls.STOP_S


async def test_it_can_be_stopped_while_it_connects(inference: InferenceEngine) -> None:
    async with ElevenLabsStandIn(faults=Faults(delay_s=1_000)) as vendor, clients(VendorLimits(connect_s=900)) as made:
        services = calls.embedded(tts=elevenlabs(vendor, made))
        async with calls.calling(services, inference=inference, starts=False) as call:
            await asyncio.sleep(1)
            assert vendor.open_connections == 1
            assert await call.end()
    assert "bot_said" not in call.witness.log


async def test_a_vendor_that_never_answers_does_not_keep_the_call(inference: InferenceEngine) -> None:
    async with ElevenLabsStandIn(faults=Faults(delay_s=1_000)) as vendor, clients(VendorLimits(connect_s=900)) as made:
        services = calls.embedded(tts=elevenlabs(vendor, made))
        async with calls.calling(services, inference=inference, starts=False) as call:
            await call.witness.count("finished")
    assert call.witness.reasons == [EndReason.PROVIDER_ERROR]


async def test_it_can_be_stopped_twice(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        assert await call.end()
        assert await call.end()


async def test_stopped_while_the_last_words_are_said(inference: InferenceEngine) -> None:
    async with calls.calling(inference=inference) as call:
        await call.bot_lines(1)
        await call.caller.say(GOODBYE)
        await call.witness.count("user_said")
        await asyncio.sleep(0.5)
        assert await call.end()
        await asyncio.sleep(60)
    assert not call.witness.reasons
