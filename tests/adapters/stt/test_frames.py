from pipecat.frames.frames import DataFrame, SystemFrame, TranscriptionFrame

from adapters.stt.frames import SpeechNotUnderstoodFrame


def test_not_understood_keeps_its_place_among_transcripts() -> None:
    frame = SpeechNotUnderstoodFrame(duration_s=1.5)
    assert isinstance(frame, DataFrame)
    assert not isinstance(frame, SystemFrame)
    assert issubclass(TranscriptionFrame, DataFrame)
    assert frame.duration_s == 1.5
