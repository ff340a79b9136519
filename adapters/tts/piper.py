"""Piper, on a voice that the operator has downloaded (https://github.com/OHF-Voice/piper1-gpl)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from piper import PiperConfig, PiperVoice, SynthesisConfig
from piper.config import PhonemeType

from adapters.local_engine import quiet_session
from adapters.local_models import file_of
from adapters.requests import TtsRequest
from adapters.seats import ProviderRow
from adapters.tts.local_voice import LocalVoice
from models.errors import InvalidField

_OWN_PHONEMES = frozenset({PhonemeType.ESPEAK, PhonemeType.TEXT})
"""How a text may become phonemes: the other ways need packages, and the Chinese one downloads a model."""


class PiperSpeech:
    """A voice of Piper's, of one speaker or of many.

    Args:
        path: The voice's files without their endings.

    Raises:
        Exception: ONNX Runtime or Piper does not take the files.
    """

    def __init__(self, path: Path) -> None:
        config = PiperConfig.from_dict(json.loads(file_of(path, "{model}.onnx.json").read_text(encoding="utf-8")))
        if config.phoneme_type not in _OWN_PHONEMES:
            raise ValueError("this voice's phonemes need a model of their own")
        self._voice = PiperVoice(quiet_session(file_of(path, "{model}.onnx")), config, download_dir=path.parent)

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the voice's audio, Hz."""
        return self._voice.config.sample_rate

    def speak(self, text: str, voice: str) -> Iterator[npt.NDArray[np.float32]]:
        """Speak a text, as in `VoiceModel.speak`, a sentence at a time.

        Args:
            text: What to say. ``[[`` and ``]]``, between which Piper reads phonemes, are taken out.
            voice: The speaker's name, or number from 0.
        """
        config = SynthesisConfig(speaker_id=self._speaker(voice))
        for chunk in self._voice.synthesize(text.replace("[[", " ").replace("]]", " "), config):
            yield chunk.audio_float_array

    def _speaker(self, voice: str) -> int:
        config = self._voice.config
        number = config.speaker_id_map.get(voice, int(voice) if voice.isdecimal() else -1)
        if not 0 <= number < max(1, config.num_speakers):
            raise InvalidField("tts_voice_id", "the Piper voice has no such speaker")
        return number


def build(row: ProviderRow, request: TtsRequest) -> LocalVoice:
    """Make the service.

    Args:
        row: Piper's row.
        request: What to make it from; its endpoint is the model. The voice decides the language.
    """
    return LocalVoice(row, request, PiperSpeech)
