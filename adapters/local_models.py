"""Recognisers and voices on models of the operator's own: where the models lie, and what each system needs there.

The operator puts models below the folder of `MODELS_DIR`, one folder per system, and an AI names one of them. Nothing
is ever fetched: what is missing is told when the AI is saved, with the command that downloads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.seats import OPTION_FIELDS, ProviderOption, ProviderRow
from models.errors import InvalidField

MODELS_DIR = "AICALL_MODELS_DIR"
"""The operator's variable that names the folder of all models."""

LOCAL_MODEL = ProviderOption(
    name="model",
    summary=f"Name of the model below the folder of {MODELS_DIR}",
    pattern=r"([A-Za-z0-9][A-Za-z0-9._+-]{0,99})?",
)
"""The option that names the model. No slash goes into it, so that no AI leads out of the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLayout:
    """What a system's models are called and consist of.

    Attributes:
        files: Regular expression for names of models, to the files of such a model below the system's folder, as
            ``glob`` patterns with ``{model}`` for the name. Exactly one file must fit each pattern.
        language: Regular expression whose group is the one language of a model, in its name; '' when none is there.
        download: How to get a model, for people; with ``{model}`` for the name.
    """

    files: Mapping[str, tuple[str, ...]]
    language: str = ""
    download: str

    def patterns(self, model: str) -> tuple[str, ...]:
        """The files of a model; empty when no model is called so."""
        for name, patterns in self.files.items():
            if re.fullmatch(name, model):
                return tuple(pattern.format(model=model) for pattern in patterns)
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRow(ProviderRow):
    """A system that runs in this process.

    Attributes:
        layout: Its models.
    """

    layout: ModelLayout = field(default_factory=lambda: ModelLayout(files={}, download=""))

    def find(self, model: str, environ: Mapping[str, str]) -> Path:
        """Find a model on this machine, and see that it is whole. Reads no more than names and sizes.

        Args:
            model: Its name, of the form of `LOCAL_MODEL`; '' for the default one.
            environ: Environment variables.

        Returns:
            The folder of the models of this system, followed by the name of the model.

        Raises:
            InvalidField: `MODELS_DIR` is not set, or the model or a file of it is missing. Names the option ``model``,
                the end of the path, and how to get the model.
        """
        model = model or self.default_model
        option = f"{OPTION_FIELDS[self.seat]}.{LOCAL_MODEL.name}"
        patterns = self.layout.patterns(model)
        if not patterns or not re.fullmatch(LOCAL_MODEL.pattern, model):
            raise InvalidField(option, f"{self.label} has no model of this name; one is {self.default_model}")
        how = self.layout.download.format(model=model)
        folder = environ.get(MODELS_DIR, "")
        if not folder:
            raise InvalidField(option, f"{self.label} needs a model on the server, and {MODELS_DIR} is not set; {how}")
        root = Path(folder) / self.name
        for pattern in patterns:
            wrong = _why_not(root, pattern)
            if wrong:
                raise InvalidField(option, f"{self.name}/{pattern} {wrong} in the folder of {MODELS_DIR}; {how}")
        return root / model

    def require_language(self, model: str, language: str) -> None:
        """Check that a model understands a language.

        Args:
            model: Its name; '' for the default one.
            language: The language in this system's form; '' for the model's own.

        Raises:
            InvalidField: It has another one; names ``stt_language``.
        """
        model = model or self.default_model
        found = re.search(self.layout.language, model) if self.layout.language else None
        if language and found and found[1] != language:
            raise InvalidField("stt_language", f"the model {model} understands only: {found[1]}")


def _why_not(root: Path, pattern: str) -> str:
    """What is wrong with the file that a pattern stands for; '' when it is there, alone, and can be read."""
    try:
        found = [path for path in root.glob(pattern) if path.is_file()]
        if len(found) > 1:
            return "stands for more than one file"
        if not found:
            return "is missing"
        if not found[0].stat().st_size:
            return "is empty"
        return "" if os.access(found[0], os.R_OK) else "cannot be read"
    except OSError:
        return "cannot be read"


def file_of(model: Path, pattern: str) -> Path:
    """The one file of a model that a pattern stands for.

    Args:
        model: What `LocalRow.find` returned.
        pattern: A pattern of the model's layout.

    Raises:
        FileNotFoundError: It is gone, or is not alone any more.
    """
    found = sorted(model.parent.glob(pattern.format(model=model.name)))
    if len(found) != 1:
        raise FileNotFoundError(pattern)
    return found[0]


WHISPER = ModelLayout(
    files={
        r".+": ("{model}/model.bin", "{model}/config.json", "{model}/tokenizer.json", "{model}/vocabulary.*"),
    },
    language=r"\.(en)$",
    download="download it: hf download Systran/faster-whisper-{model} --local-dir whisper/{model}",
)
"""faster-whisper's (https://huggingface.co/Systran): without ``tokenizer.json`` the library would fetch one."""

MOONSHINE = ModelLayout(
    files={
        r"(tiny|base|small|medium)-streaming-[a-z]{2}": (
            "{model}/adapter.ort",
            "{model}/cross_kv.ort",
            "{model}/decoder_kv.ort",
            "{model}/encoder.ort",
            "{model}/frontend.model.ort",
            "{model}/frontend.weights.ort",
            "{model}/streaming_config.json",
            "{model}/tokenizer.bin",
        ),
        r"(tiny|base)-[a-z]{2}": (
            "{model}/encoder_model.ort",
            "{model}/decoder_model_merged.ort",
            "{model}/tokenizer.bin",
        ),
    },
    language=r"-([a-z]{2})$",
    download="download it with moonshine-voice download --stt, and copy the files to moonshine/{model}",
)
"""Moonshine's, called as on its server (https://github.com/moonshine-ai/moonshine, docs/models/available-models.md)."""

PIPER = ModelLayout(
    files={r".+": ("{model}.onnx", "{model}.onnx.json")},
    download="download it: python -m piper.download_voices --download-dir piper {model}",
)
"""Piper's (https://github.com/OHF-Voice/piper1-gpl, docs/VOICES.md), as its downloader leaves them."""

KOKORO = ModelLayout(
    files={r".+": ("{model}/kokoro*.onnx", "{model}/voices*.bin")},
    download="download it from https://github.com/thewh1teagle/kokoro-onnx/releases to kokoro/{model}",
)
"""kokoro-onnx' (https://github.com/thewh1teagle/kokoro-onnx): a model in any precision, and the file of all voices."""
