"""Many calls at once, on real sockets and virtual time."""

from __future__ import annotations

import pytest

from models.errors import InvalidField
from runtime.replay.analysis import measure_run
from runtime.replay.load import Plan, Progress, rate_of, run_plan
from runtime.replay.record import FailureKind
from runtime.replay.script import Dial, Pause, Say
from tests.runtime.replay.bots import Bot, script, utterance

pytestmark = pytest.mark.virtual_time


async def test_nobody_listens() -> None:
    async with Bot().serving() as url:
        pass
    run = await run_plan(Plan(url=url, script=script(1), calls=2))
    assert [record.failure and record.failure.kind for record in run.records] == [FailureKind.UNREACHABLE] * 2


async def test_many_calls_begin_over_the_ramp_and_do_not_disturb_each_other() -> None:
    bot, seen = Bot(), []

    def note(progress: Progress) -> None:
        seen.append((progress.turns, progress.talking, progress.ended, progress.failed))

    async with bot.serving() as url:
        run = await run_plan(Plan(url=url, script=script(2), calls=10, ramp_s=5.0), note)
    assert bot.calls == 10
    assert seen[-1] == (20, 0, 10, 0)
    assert [record.index for record in run.records] == list(range(10))
    metrics = measure_run(run.records)
    assert metrics.voice_to_voice_ms.values == pytest.approx([300] * 20, abs=0.2)
    one_call_s = run.records[0].ended_ms / 1000
    assert run.duration_s == pytest.approx(4.5 + one_call_s, abs=0.1)


async def test_unknown_protocol_is_refused_before_any_call() -> None:
    with pytest.raises(InvalidField) as caught:
        await run_plan(Plan(url="ws://127.0.0.1:1/", script=(), protocol="morse"))
    assert caught.value.field == "protocol"


async def test_a_rate_that_the_protocol_does_not_carry_is_refused_before_any_call() -> None:
    with pytest.raises(InvalidField) as caught:
        await run_plan(Plan(url="ws://127.0.0.1:1/", script=(), sample_rate_hz=44_100))
    assert caught.value.field == "sample_rate_hz"


async def test_failed_calls_do_not_hold_up_the_progress() -> None:
    bot, seen = Bot(answers=1), []
    async with bot.serving() as url:
        run = await run_plan(Plan(url=url, script=script(3), calls=2), lambda progress: seen.append(progress.turns))
    assert [record.failure and record.failure.kind for record in run.records] == [FailureKind.NO_ANSWER] * 2
    assert seen[-1] == 6
    assert seen == sorted(seen)


def test_turns_are_counted_over_all_calls() -> None:
    assert Plan(url="", script=(Say(utterance()), Pause(1.0), Dial("1")), calls=3).turns == 6


@pytest.mark.parametrize(("protocol", "rate_hz"), [("twilio", 8000), ("plain", 16_000), ("other", 8000)])
def test_rates(protocol: str, rate_hz: int) -> None:
    assert rate_of(protocol) == rate_hz
