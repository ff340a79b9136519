from models.turn import TurnRecord, TurnTrigger


def test_triggers() -> None:
    assert [*TurnTrigger] == ["greeting", "speech", "dtmf", "not_understood", "idle"]


def test_what_did_not_happen_is_null() -> None:
    public = TurnRecord(turn=0, trigger=TurnTrigger.GREETING).public()
    assert public["trigger"] == "greeting"
    assert (public["user_text"], public["bot_text"], public["interrupted"]) == ("", "", False)
    times = {name: value for name, value in public.items() if name.endswith("_ms")}
    assert len(times) == 12
    assert set(times.values()) == {None}


def test_a_record_survives() -> None:
    record = TurnRecord(turn=2, trigger=TurnTrigger.SPEECH, user_text="Hi", interrupted=True, voice_to_voice_ms=412)
    assert TurnRecord.model_validate(record.public()) == record
