from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from models.turn import TurnRecord, TurnTrigger
from pipelines.turns.ledger import TurnLedger


class Call:
    """A ledger on a clock that the test sets, and its records."""

    def __init__(self) -> None:
        self.now_s = 500.0
        self.records: list[TurnRecord] = []
        self.ledger = TurnLedger(lambda: self.now_s, self.records.append)
        self.ledger.media_started()

    def at(self, ms: int) -> TurnLedger:
        """The ledger, so many milliseconds into the call."""
        self.now_s = 500.0 + ms / 1000
        return self.ledger

    def greet(self) -> None:
        self.at(0).begin(TurnTrigger.GREETING)
        self.at(90).audio_arrived()
        self.at(100).audio_sent()
        self.ledger.heard("Hello.")
        self.at(1_000).bot_stopped()


def test_a_greeting() -> None:
    call = Call()
    call.greet()
    assert call.records == []
    call.ledger.close()
    assert call.records == [
        TurnRecord(
            turn=0,
            trigger=TurnTrigger.GREETING,
            bot_text="Hello.",
            turn_end_ms=0,
            tts_first_audio_ms=90,
            bot_start_ms=100,
            bot_stop_ms=1_000,
        )
    ]


def test_every_stage_of_a_turn() -> None:
    call = Call()
    call.greet()
    call.at(2_200).speech_started(confirmation_s=0.2)
    call.at(3_500).speech_stopped(silence_s=0.2)
    call.at(3_550).transcript()
    call.at(3_600).begin(TurnTrigger.SPEECH, "Are you open?")
    call.at(3_700).llm_started()
    call.at(3_710).llm_started()
    call.at(3_900).llm_ended()
    call.at(3_950).audio_arrived()
    call.at(3_960).audio_arrived()
    call.at(3_970).audio_sent()
    call.at(3_990).audio_sent()
    call.ledger.heard("Yes,")
    call.ledger.heard("we are.")
    call.at(4_800).bot_stopped()
    call.ledger.close()
    assert call.records[1:] == [
        TurnRecord(
            turn=1,
            trigger=TurnTrigger.SPEECH,
            user_text="Are you open?",
            bot_text="Yes, we are.",
            speech_start_ms=2_000,
            speech_end_ms=3_300,
            turn_end_ms=3_600,
            transcript_ms=3_550,
            llm_first_token_ms=3_700,
            llm_end_ms=3_900,
            tts_first_audio_ms=3_950,
            bot_start_ms=3_970,
            bot_stop_ms=4_800,
            voice_to_voice_ms=670,
        )
    ]


def test_the_next_speech_closes_an_answer_that_was_heard() -> None:
    call = Call()
    call.greet()
    call.at(2_000).speech_started(confirmation_s=0.2)
    assert [record.turn for record in call.records] == [0]


def test_a_pause_inside_a_turn_keeps_its_beginning_and_moves_its_end() -> None:
    call = Call()
    call.at(1_200).speech_started(confirmation_s=0.2)
    call.at(2_000).speech_stopped(silence_s=0.2)
    call.at(3_000).speech_started(confirmation_s=0.2)
    call.at(4_000).speech_stopped(silence_s=0.2)
    call.at(4_100).begin(TurnTrigger.SPEECH, "Well, yes.")
    call.ledger.close()
    [record] = call.records
    assert (record.speech_start_ms, record.speech_end_ms) == (1_000, 3_800)


def test_a_barge_in() -> None:
    call = Call()
    call.at(0).begin(TurnTrigger.GREETING)
    call.at(100).audio_sent()
    call.at(1_000).speech_started(confirmation_s=0.2)
    call.at(1_012).cleared()
    call.ledger.bot_stopped()
    call.at(2_000).speech_stopped(silence_s=0.2)
    call.at(2_100).begin(TurnTrigger.SPEECH, "Stop.")
    greeting = call.records[0]
    assert greeting.interrupted
    assert (greeting.clear_ms, greeting.barge_in_ms, greeting.bot_stop_ms) == (1_012, 12, 1_012)
    # The speech that cut in is the next turn's.
    assert greeting.speech_start_ms is None
    call.ledger.close()
    assert (call.records[1].speech_start_ms, call.records[1].interrupted) == (800, False)


def test_a_barge_in_that_was_decided_after_a_hold() -> None:
    call = Call()
    call.at(0).begin(TurnTrigger.GREETING)
    call.at(100).audio_sent()
    call.at(1_000).speech_started(confirmation_s=0.2)
    call.at(1_012).held()
    call.at(1_500).cleared()
    call.ledger.bot_stopped()
    call.ledger.close()
    assert (call.records[0].clear_ms, call.records[0].barge_in_ms, call.records[0].bot_stop_ms) == (1_012, 12, 1_500)


def test_a_hold_that_was_none_leaves_nothing_behind() -> None:
    call = Call()
    call.at(0).begin(TurnTrigger.GREETING)
    call.at(100).audio_sent()
    call.at(1_000).speech_started(confirmation_s=0.2)
    call.at(1_012).held()
    call.at(1_300).speech_stopped(silence_s=0.2)
    call.at(1_400).transcript()
    call.at(1_500).resumed()
    call.ledger.speech_forgotten()
    call.at(3_000).bot_stopped()
    call.at(4_000).speech_started(confirmation_s=0.2)
    call.at(5_000).speech_stopped(silence_s=0.2)
    call.at(5_100).begin(TurnTrigger.SPEECH, "Yes.")
    call.at(5_200).audio_sent()
    call.at(6_000).cleared()
    call.ledger.close()
    greeting, answer = call.records
    assert (greeting.interrupted, greeting.clear_ms, greeting.barge_in_ms) == (False, None, None)
    assert (answer.speech_start_ms, answer.speech_end_ms, answer.transcript_ms) == (3_800, 4_800, None)
    assert (answer.clear_ms, answer.barge_in_ms) == (6_000, None)


def test_a_clear_that_no_speech_caused_is_no_barge_in() -> None:
    call = Call()
    call.at(1_000).speech_started(confirmation_s=0.2)
    call.at(2_000).speech_stopped(silence_s=0.2)
    call.at(2_100).begin(TurnTrigger.SPEECH, "Stop the music.")
    call.at(2_500).audio_sent()
    call.at(3_000).cleared()
    call.ledger.close()
    assert (call.records[0].clear_ms, call.records[0].barge_in_ms) == (3_000, None)


def test_turns_that_no_speech_led_to_have_no_speech() -> None:
    for trigger in (TurnTrigger.GREETING, TurnTrigger.DTMF, TurnTrigger.IDLE):
        call = Call()
        call.at(1_000).speech_started(confirmation_s=0.2)
        call.at(2_000).speech_stopped(silence_s=0.2)
        call.at(2_050).transcript()
        call.at(2_100).begin(trigger, "1234")
        call.at(2_200).audio_sent()
        call.ledger.close()
        [record] = call.records
        assert (record.speech_start_ms, record.speech_end_ms, record.transcript_ms) == (None, None, None)
        assert record.voice_to_voice_ms is None
        assert record.turn_end_ms == 2_100


def test_what_was_not_understood_has_speech_and_no_text() -> None:
    call = Call()
    call.at(1_000).speech_started(confirmation_s=0.2)
    call.at(2_000).speech_stopped(silence_s=0.2)
    call.at(4_000).begin(TurnTrigger.NOT_UNDERSTOOD)
    call.at(4_100).audio_sent()
    call.ledger.close()
    [record] = call.records
    assert (record.speech_start_ms, record.speech_end_ms, record.user_text) == (800, 1_800, "")
    assert record.voice_to_voice_ms == 2_300


def test_nothing_happens_without_an_open_turn() -> None:
    call = Call()
    ledger = call.at(100)
    ledger.llm_started()
    ledger.llm_ended()
    ledger.audio_arrived()
    ledger.audio_sent()
    ledger.heard("ghost")
    ledger.cleared()
    ledger.bot_stopped()
    ledger.close()
    assert call.records == []
    ledger.begin(TurnTrigger.IDLE)
    ledger.close()
    [record] = call.records
    assert (record.bot_text, record.interrupted, record.bot_start_ms) == ("", False, None)


def test_a_bot_that_never_spoke_did_not_stop() -> None:
    call = Call()
    call.at(0).begin(TurnTrigger.GREETING)
    call.at(100).bot_stopped()
    call.ledger.close()
    assert call.records[0].bot_stop_ms is None


STEPS: dict[str, Callable[[TurnLedger], None]] = {
    "start": lambda ledger: ledger.speech_started(confirmation_s=0.2),
    "stop": lambda ledger: ledger.speech_stopped(silence_s=0.2),
    "transcript": TurnLedger.transcript,
    "begin": lambda ledger: ledger.begin(TurnTrigger.SPEECH, "words"),
    "token": TurnLedger.llm_started,
    "end": TurnLedger.llm_ended,
    "audio": TurnLedger.audio_arrived,
    "sent": TurnLedger.audio_sent,
    "heard": lambda ledger: ledger.heard("word"),
    "hold": TurnLedger.held,
    "resume": TurnLedger.resumed,
    "forget": TurnLedger.speech_forgotten,
    "clear": TurnLedger.cleared,
    "done": TurnLedger.bot_stopped,
}


@given(st.lists(st.tuples(st.sampled_from([*STEPS]), st.integers(0, 2_000)), max_size=60))
def test_records_are_numbered_without_gaps_and_their_times_are_in_order(steps: list[tuple[str, int]]) -> None:
    call, now_ms = Call(), 0
    for step, pause_ms in steps:
        now_ms += pause_ms
        STEPS[step](call.at(now_ms))
    call.ledger.close()
    call.ledger.close()
    assert [record.turn for record in call.records] == list(range(sum(step == "begin" for step, _ in steps)))
    for record in call.records:
        assert record.turn_end_ms is not None
        for time_ms in (record.llm_first_token_ms, record.tts_first_audio_ms, record.bot_start_ms, record.clear_ms):
            assert time_ms is None or record.turn_end_ms <= time_ms <= now_ms
        if record.bot_stop_ms is not None:
            assert record.bot_start_ms is not None
            assert record.bot_start_ms <= record.bot_stop_ms
        if record.barge_in_ms is not None:
            assert record.interrupted
            assert record.barge_in_ms >= 0


def test_whoever_wants_to_know_is_told_why_an_answer_is_asked_for() -> None:
    told: list[TurnTrigger] = []
    ledger = TurnLedger(lambda: 0.0, lambda record: None, told.append)
    ledger.begin(TurnTrigger.GREETING)
    ledger.begin(TurnTrigger.SPEECH, "yes")
    assert told == [TurnTrigger.GREETING, TurnTrigger.SPEECH]
