"""One call on a real socket and virtual time: what the harness measures is what the bot was told to do."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import pytest
from websockets.asyncio.server import ServerConnection, serve

from adapters.media.base import Message
from adapters.media.clients.base import CallLeg
from adapters.media.clients.twilio import TwilioClient
from adapters.media.registry import client_by_name
from runtime.replay.analysis import measure_call, measure_run
from runtime.replay.call import Line, place_call
from runtime.replay.caller import Caller
from runtime.replay.load import rate_of
from runtime.replay.record import FailureKind, TurnKind
from runtime.replay.script import AwaitHangup, AwaitReply, Dial, Pause, Say, barge_in
from tests.runtime.replay.bots import REPLY, Bot, place, problem, script, silent_server, twilio_caller, utterance

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("protocol", ["twilio", "plain"])
@pytest.mark.parametrize("paced", [True, False])
async def test_measures_what_the_bot_was_told_to_do(protocol: str, paced: bool) -> None:
    rate_hz = rate_of(protocol)
    bot = Bot(delay_s=0.137, paced=paced)
    record = await place(bot, script(2, rate_hz), protocol=protocol, keep_audio=True)
    call = measure_call(record)
    assert record.failure is None
    assert [turn.reply_ms for turn in call.turns] == pytest.approx([337, 337], abs=0.2)
    assert call.greeting_ms == pytest.approx(0, abs=0.2)
    assert not call.gaps_ms
    assert not call.late_ms
    assert not record.ended_by_far_end
    assert bot.stopped == 1
    assert bot.marks == ["end-1", "end-2", "end-3"]
    assert [span.end_ms - span.start_ms for span in record.bot_speech] == pytest.approx([400, 600, 600], abs=0.2)


async def test_both_tracks_are_aligned_and_whole_frames() -> None:
    record = await place(Bot(), script(1), keep_audio=True)
    assert record.tracks
    stereo = record.tracks.stereo()
    assert stereo.shape == (len(record.lag_ms) * 160, 2)
    turn, answer = record.turns[0], record.bot_speech[1]
    assert abs(stereo[round(turn.start_ms * 8), 0]) > 7000
    assert abs(stereo[round(answer.start_ms * 8) - 1, 1]) == 0
    assert abs(stereo[round(answer.start_ms * 8), 1]) > 7000
    assert set(record.lag_ms) == {0.0}


async def test_barge_in_is_measured_as_heard() -> None:
    bot = Bot(answer_ms=4000, paced=False, clear_after_s=0.2)
    steps = (REPLY, Say(utterance()), *barge_in(utterance(600, "wait"), 0.5), AwaitReply(quiet_s=0.6))
    record = await place(bot, steps)
    first, second = measure_call(record).turns
    assert not first.barge_in
    # The bot's ear needs 20 ms of speech, at the end of a frame; then it waits 200 ms.
    assert second.clear_ms == pytest.approx(220, abs=1)
    assert second.stop_ms == pytest.approx(220, abs=1)
    assert second.reply_ms == pytest.approx(300, abs=1)
    metrics = measure_run([record])
    assert (metrics.barge_ins, metrics.barge_ins_ignored) == (1, 0)


async def test_a_bot_that_talks_on_has_ignored_the_caller() -> None:
    bot = Bot(answer_ms=4000, clear_after_s=None, answers=1)
    steps = (REPLY, Say(utterance()), *barge_in(utterance(600, "wait"), 0.5), Pause(5.0))
    metrics = measure_run([await place(bot, steps)])
    assert (metrics.barge_ins, metrics.barge_ins_ignored) == (1, 1)
    assert not metrics.barge_in_stop_ms.values


async def test_gaps_and_late_frames() -> None:
    bot = Bot(pauses={5: 0.012, 10: 0.060})
    record = await place(bot, script(1))
    metrics = measure_run([record])
    assert metrics.late_ms.values == pytest.approx((12, 60), abs=0.2)
    assert metrics.gaps_ms.values == pytest.approx((60,), abs=0.2)


async def test_keys_are_pressed_one_by_one() -> None:
    bot = Bot(delay_s=0.3)
    record = await place(bot, (REPLY, Dial("12#"), AwaitReply(quiet_s=0.6)))
    assert bot.heard_digits == "12#"
    turn = measure_call(record).turns[0]
    assert turn.kind is TurnKind.KEYS
    # The key is pressed at the beginning of its frame and sent at its end.
    assert turn.reply_ms == pytest.approx(320, abs=0.2)


async def test_the_bot_may_end_the_call_when_the_script_says_so() -> None:
    bot = Bot(hangup_after_answer=1)
    record = await place(bot, (REPLY, Say(utterance()), AwaitHangup(5.0)))
    assert record.failure is None
    assert record.ended_by_far_end


async def test_the_bot_may_end_the_call_with_its_last_answer() -> None:
    record = await place(Bot(hangup_after_answer=2), script(2))
    assert record.failure is None
    assert record.ended_by_far_end


@pytest.mark.parametrize("protocol", ["twilio", "plain"])
async def test_a_call_that_the_bot_ends_too_early_has_failed(protocol: str) -> None:
    rate_hz = rate_of(protocol)
    bot = Bot(hangup_after_answer=1)
    record = await place(bot, script(2, rate_hz), protocol=protocol)
    assert record.failure
    assert record.failure.kind is FailureKind.CLOSED_EARLY
    assert "turn-0" in record.failure.detail


async def test_close_code_and_reason_are_told() -> None:
    record = await place(Bot(close_after_s=0.1), script(1))
    assert record.failure
    assert str(record.failure) == "closed early: before the caller's first turn, 1011 pipeline lost"
    assert (record.close_code, record.close_reason) == (1011, "pipeline lost")
    assert record.ended_ms < 200


async def test_audio_that_the_close_cut_off_is_reported() -> None:
    bot = Bot(answer_ms=1500, paced=False, hangup_after_answer=1)
    record = await place(bot, script(1))
    assert record.failure is None
    assert measure_run([record]).unplayed_ms.values == pytest.approx((1400,), abs=25)


@pytest.mark.parametrize(
    ("bot", "kind"),
    [
        (Bot(greeting_ms=0), FailureKind.NO_GREETING),
        (Bot(answers=0), FailureKind.NO_ANSWER),
        (Bot(send_raw=["not json"]), FailureKind.PROTOCOL),
        (Bot(send_raw=[b"\0"]), FailureKind.PROTOCOL),
    ],
)
async def test_what_counts_as_failed(bot: Bot, kind: FailureKind) -> None:
    record = await place(bot, script(1))
    assert record.failure
    assert record.failure.kind is kind


async def test_a_bot_that_should_hang_up_and_does_not() -> None:
    record = await place(Bot(), (REPLY, Say(utterance()), AwaitHangup(2.0)))
    assert record.failure
    assert record.failure.kind is FailureKind.NOT_ENDED


async def test_an_answer_without_end() -> None:
    record = await place(Bot(answer_ms=5000), (REPLY, Say(utterance()), AwaitReply(longest_s=2.0)))
    assert record.failure
    assert record.failure.kind is FailureKind.ENDLESS_ANSWER


async def test_a_bot_that_stops_reading() -> None:
    record = await place(Bot(deaf=True), (Pause(300.0),), protocol="plain")
    assert record.failure
    assert record.failure.kind is FailureKind.STALLED


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, problem("the token is spent"), "HTTP 403: the token is spent"),
        (503, "draining\n", "HTTP 503: draining"),
        (404, "", "HTTP 404: Not Found"),
    ],
)
async def test_a_refusal_is_told_in_the_servers_words(status: int, body: str, said: str) -> None:
    record = await place(Bot(refuse=(status, body)), script(1))
    assert record.failure
    assert record.failure.kind is FailureKind.REFUSED
    assert record.failure.detail == said
    assert record.setup_ms is None


async def test_nobody_listens() -> None:
    async with Bot().serving() as url:
        pass
    record = await place_call(Line(url), twilio_caller())
    assert record.failure
    assert record.failure.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense"])
async def test_not_a_websocket_url(url: str) -> None:
    record = await place_call(Line(url), twilio_caller())
    assert record.failure
    assert str(record.failure) == "unreachable: not a WebSocket URL"


async def test_an_upgrade_that_nobody_answers() -> None:
    async with silent_server() as url:
        record = await place_call(Line(url, connect_timeout_s=2.0), twilio_caller())
    assert record.failure
    assert str(record.failure) == "unreachable: no answer in time"


async def test_headers_are_sent() -> None:
    bot = Bot()
    await place(bot, script(1), headers={"X-Twilio-Signature": "abc"})
    assert bot.headers["x-twilio-signature"] == "abc"


async def test_the_opening_is_noted_in_wall_clock_time() -> None:
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    async with Bot().serving() as url:
        record = await place_call(Line(url), twilio_caller(), lambda: noon)
    assert record.started_at == noon


async def test_cancelling_closes_the_socket() -> None:
    bot = Bot()
    async with bot.serving() as url:
        call = asyncio.create_task(place_call(Line(url), twilio_caller(Pause(60.0))))
        await asyncio.sleep(1.0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert bot.calls == 1
    assert call.cancelled()


async def test_a_bot_that_reads_again_gets_all_that_was_said() -> None:
    heard, awake = [0], asyncio.Event()

    async def nap(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(400)
        connection.transport.resume_reading()
        awake.set()
        async for message in connection:
            heard[0] += len(message) if isinstance(message, bytes) else 0

    with socket_with_small_buffer() as listening:
        async with serve(nap, sock=listening, ping_interval=None) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            client = client_by_name("plain")(CallLeg(stream_id="S", call_id="C", sample_rate_hz=16_000))
            line = Line(url, stall_timeout_s=1000)
            record = await place_call(line, Caller(client, (Pause(500.0),)))
    assert awake.is_set()
    assert record.failure is None
    assert len(record.lag_ms) == 25_001  # the last one says that the script is through
    assert heard[0] == 25_001 * 640
    assert max(record.lag_ms) > 1000
    assert record.lag_ms[-1] < 1


async def test_a_defect_of_the_harness_is_raised_not_recorded() -> None:
    class Broken(TwilioClient):
        def send_audio(self, pcm: bytes) -> list[Message]:
            raise RuntimeError("a defect")

    caller = Caller(Broken(CallLeg(stream_id="MZ1", call_id="CA1")), (Pause(1.0),))
    async with Bot().serving() as url:
        with pytest.raises(RuntimeError, match="a defect"):
            await place_call(Line(url), caller)


def socket_with_small_buffer() -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    return listening


async def test_a_connection_that_breaks_while_nobody_reads_ends_the_call_at_once() -> None:
    async def break_off(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await asyncio.sleep(400)
        connection.transport.abort()

    with socket_with_small_buffer() as listening:
        async with serve(break_off, sock=listening, ping_interval=None) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            client = client_by_name("plain")(CallLeg(stream_id="S", call_id="C", sample_rate_hz=16_000))
            caller = Caller(client, (Pause(500.0), Say(utterance(rate_hz=16_000))))
            record = await place_call(Line(url, stall_timeout_s=1000), caller)
    assert record.failure
    assert record.failure.kind is FailureKind.CLOSED_EARLY
    assert record.ended_ms == pytest.approx(400_000, abs=100)
