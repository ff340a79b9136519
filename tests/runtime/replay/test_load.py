"""Many calls at once, on real sockets and virtual time."""

from __future__ import annotations

import pytest

from models.errors import InvalidField
from runtime.replay.analysis import measure_run
from runtime.replay.load import Phase, Plan, Progress, rate_of, require_leg, run_plan
from runtime.replay.record import CallRecord, FailureKind
from runtime.replay.script import AwaitHangup, Dial, Pause, Say
from tests.runtime.replay import runs
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


async def test_held_calls_all_stay_up_until_the_time_is_over() -> None:
    bot, seen = Bot(greeting_ms=100, answer_ms=200), []

    def note(progress: Progress) -> None:
        seen.append((progress.talking, progress.ended))

    async with bot.serving() as url:
        run = await run_plan(Plan(url=url, script=script(1), calls=4, ramp_s=2.0, hold_s=6.0), note)
    assert (4, 0) in seen
    assert not any(ended and talking + ended < 4 for talking, ended in seen)
    assert all(record.failure is None and len(record.turns) >= 4 for record in run.records)
    for begun_s, record in zip(run.begun_s, run.records, strict=True):
        assert 8.0 <= begun_s + record.ended_ms / 1000 < 11.0


def test_beginnings_lie_as_asked() -> None:
    assert Plan(url="", script=(), calls=4, ramp_s=8.0).beginnings_s() == [0, 2, 4, 6]
    assert Plan(url="", script=(), calls=3, phase=Phase.BURST).beginnings_s() == [0, 0, 0]
    drawn = [
        Plan(url="", script=(), calls=50, ramp_s=8.0, phase=Phase.RANDOM, seed=seed).beginnings_s()
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0])
    assert 0 <= drawn[0][0] < 2
    assert 6 < drawn[0][-1] <= 8


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"phase": Phase.RANDOM}, "ramp"),
        ({"phase": Phase.BURST, "ramp_s": 1.0}, "ramp"),
        ({"hold_s": 1.0, "script": (Pause(1.0),)}, "hold"),
        ({"hold_s": 1.0, "script": (Say(utterance()), AwaitHangup())}, "hold"),
    ],
)
async def test_a_plan_that_cannot_be_carried_out_is_refused(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await run_plan(Plan(**{"url": "ws://127.0.0.1:1/", "script": (Say(utterance()),), **fields}))  # type: ignore[arg-type]
    assert caught.value.field == field


async def test_speech_is_kept_and_shared_out() -> None:
    bot = Bot(greeting_ms=0, answer_ms=600)
    async with bot.serving() as url:
        run = await run_plan(Plan(url=url, script=script(1)[1:], keep_speech=True))
    (record,) = run.records
    assert record.heard
    span = record.bot_speech[0]
    assert abs(record.heard.between(span.start_ms, span.end_ms)).min() > 7000


@pytest.mark.parametrize(
    ("protocol", "rate_hz", "field"), [("morse", 8000, "protocol"), ("twilio", 16_000, "sample_rate_hz")]
)
def test_legs_that_nobody_speaks(protocol: str, rate_hz: int, field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        require_leg(protocol, rate_hz)
    assert caught.value.field == field


def test_a_run_in_words_holds_no_frames() -> None:
    run = runs.run(CallRecord(lag_ms=[0.125] * 10_000))
    assert "0.125" not in repr(run)
