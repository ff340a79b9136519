"""Models of a few kilobytes that the real engines load and run, in place of those that would have to be downloaded.

The voices speak tones, whose heights and number are those of the phonemes. The recognisers write the same words for
whatever they hear, and know sound from silence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
from ctranslate2.specs.whisper_spec import WhisperSpec
from onnxruntime import InferenceSession, SessionOptions
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from tests.adapters.tiny_onnx import BOOL, FLOAT, INT64, Value, graph, node, write_model

WORDS = "what are your opening hours"
"""What the recognisers write."""

PIPER_RATE_HZ = 22_050
KOKORO_RATE_HZ = 24_000


def _tones(ids: str, rate_hz: int, phoneme_s: float, height: str = "") -> tuple[list[bytes], dict[str, Any]]:
    """Nodes that make ``tones`` (1, n, samples) of numbers (1, n): each a sine of its own frequency."""
    steps = np.arange(int(rate_hz * phoneme_s), dtype=np.float32) * np.float32(2 * np.pi * 20 / rate_hz)
    constants: dict[str, Any] = {
        "steps": steps.reshape(1, 1, -1),
        "last": np.array([2], dtype=np.int64),
        "half": np.array([0.5], dtype=np.float32),
    }
    if not height:
        constants["lowest"] = np.array([5.0], dtype=np.float32)
    nodes = [
        node("Cast", [ids], ["numbers"], to=FLOAT),
        node("Add", ["numbers", height or "lowest"], ["heights"]),
        node("Unsqueeze", ["heights", "last"], ["column"]),
        node("Mul", ["column", "steps"], ["phases"]),
        node("Sin", ["phases"], ["loud"]),
        node("Mul", ["loud", "half"], ["tones"]),
    ]
    return nodes, constants


def write_piper(folder: Path, model: str = "en_US-tiny-low", *, speakers: int = 1, **config: Any) -> None:
    """Write a voice of Piper's below the folder of the models.

    The form is that of the voices of https://huggingface.co/rhasspy/piper-voices.
    """
    many = speakers > 1
    nodes, constants = _tones("input", PIPER_RATE_HZ, 0.02, "speaker" if many else "")
    inputs = [("input", INT64, ["b", "n"]), ("input_lengths", INT64, ["b"]), ("scales", FLOAT, [3])]
    if many:
        inputs.append(("sid", INT64, ["b"]))
        constants["octave"] = np.array([40.0], dtype=np.float32)
        nodes = [node("Cast", ["sid"], ["number"], to=FLOAT), node("Mul", ["number", "octave"], ["speaker"]), *nodes]
    nodes.append(node("Reshape", ["tones", "flat"], ["output"]))
    constants["flat"] = np.array([1, 1, -1], dtype=np.int64)
    (folder / "piper").mkdir(parents=True, exist_ok=True)
    write_model(folder / "piper" / f"{model}.onnx", graph(nodes, inputs, [("output", FLOAT, [1, 1, "t"])], constants))
    document = {
        "audio": {"sample_rate": PIPER_RATE_HZ},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "num_symbols": 256,
        "num_speakers": speakers,
        "speaker_id_map": {f"p{number}": number for number in range(speakers)} if many else {},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_id_map": {phoneme: list(ids) for phoneme, ids in DEFAULT_PHONEME_ID_MAP.items()},
    }
    (folder / "piper" / f"{model}.onnx.json").write_text(json.dumps(document | config), encoding="utf-8")


def write_kokoro(folder: Path, model: str = "tiny") -> None:
    """Write a Kokoro model with two voices, of which one speaks higher, below the folder of the models.

    The form is that of https://github.com/thewh1teagle/kokoro-onnx/releases.
    """
    nodes, constants = _tones("tokens", KOKORO_RATE_HZ, 0.04, "height")
    constants["first"] = np.array([0], dtype=np.int64)
    nodes = [node("Gather", ["style", "first"], ["height"], axis=1), *nodes]
    nodes.append(node("Reshape", ["tones", "flat"], ["audio"]))
    constants["flat"] = np.array([-1], dtype=np.int64)
    inputs = [("tokens", INT64, [1, "n"]), ("style", FLOAT, [1, 256]), ("speed", FLOAT, [1])]
    home = folder / "kokoro" / model
    home.mkdir(parents=True)
    write_model(home / "kokoro-tiny.onnx", graph(nodes, inputs, [("audio", FLOAT, ["t"])], constants))
    with (home / "voices-tiny.bin").open("wb") as file:
        np.savez(file, af_heart=np.full((510, 1, 256), 3, np.float32), bm_george=np.full((510, 1, 256), 30, np.float32))


def write_whisper(folder: Path, model: str = "tiny.en") -> None:
    """Write an English Whisper model that writes `WORDS` below the folder of the models.

    The form is that of https://huggingface.co/Systran/faster-whisper-tiny.en. Of the decoder's input, each position has
    a dimension of its own, from which the output is read. One more holds how loud it is, which reaches the decoder
    through the encoder's convolutions and the attention, and decides on the probability of silence.
    """
    size, loud, hot = 32, 31, np.eye(448, 32, dtype=np.float32)
    hot[loud:] = 0
    special = ("endoftext", "startoftranscript", "en", "translate", "transcribe", "startoflm", "startofprev")
    tokens = ["[UNK]", *WORDS.split(), *(f"<|{name}|>" for name in (*special, "nospeech", "notimestamps", "0.00"))]
    at = {token: number for number, token in enumerate(tokens)}

    def zeros(*shape: int) -> npt.NDArray[np.float32]:
        return np.zeros(shape, dtype=np.float32)

    spec = WhisperSpec(1, 1, 1, 1)
    norms = [spec.encoder.layer_norm, spec.decoder.layer_norm]
    for layer in (spec.encoder.layer[0], spec.decoder.layer[0]):
        norms += [layer.self_attention.layer_norm, layer.ffn.layer_norm]
        shapes = [
            (layer.self_attention.linear[0], 3 * size, size),
            (layer.self_attention.linear[1], size, size),
            (layer.ffn.linear_0, 4 * size, size),
            (layer.ffn.linear_1, size, 4 * size),
        ]
        for linear, rows, columns in shapes:
            linear.weight, linear.bias = zeros(rows, columns), zeros(rows)
    attention = spec.decoder.layer[0].attention
    norms.append(attention.layer_norm)
    for linear, rows in zip(attention.linear, (size, 2 * size, size), strict=True):
        linear.weight, linear.bias = zeros(rows, size), zeros(rows)
    for norm in norms:
        norm.gamma, norm.beta = np.ones(size, dtype=np.float32), zeros(size)
    spec.encoder.conv1.weight, spec.encoder.conv1.bias = zeros(size, 80, 3), zeros(size)
    spec.encoder.conv2.weight, spec.encoder.conv2.bias = zeros(size, size, 3), zeros(size)
    # The mean of the spectrum's bands is positive in speech, negative in silence, and 0 where there is no audio at all.
    spec.encoder.conv1.weight[0, :, 1] = 100 / 80
    spec.encoder.conv2.weight[0, 0, 1] = 1
    spec.encoder.position_encodings.encodings = zeros(1500, size)
    spec.encoder.position_encodings.encodings[:, 1] = 1
    # Of 30 s without any audio, the norm makes -0.18.
    attention.linear[1].weight[size, 0], attention.linear[1].bias[size] = 20, 3
    attention.linear[2].weight[loud, 0] = 1
    spec.decoder.embeddings.weight = zeros(len(tokens), size)
    spec.decoder.position_encodings.encodings = hot
    spec.decoder.projection.weight, spec.decoder.projection.bias = zeros(len(tokens), size), zeros(len(tokens))
    # The first position is the prompt's start, the second one says that no timestamps are wanted.
    for position, word in enumerate([*WORDS.split(), "<|endoftext|>"], start=1):
        spec.decoder.projection.weight[at[word], position] = 10
    spec.decoder.projection.weight[at["<|nospeech|>"], loud] = -5
    spec.register_vocabulary(tokens)
    spec.config.lang_ids = []
    spec.config.suppress_ids, spec.config.suppress_ids_begin, spec.config.alignment_heads = [], [], [(0, 0)]
    spec.validate()
    spec.optimize()
    home = folder / "whisper" / model
    home.mkdir(parents=True)
    spec.save(str(home))
    tokenizer = Tokenizer(WordLevel(at, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(token) for token in tokens if token.startswith("<|")])
    tokenizer.save(str(home / "tokenizer.json"))
    assert ctranslate2.contains_model(str(home))


def write_moonshine(folder: Path, model: str = "tiny-en") -> None:
    """Write a Moonshine model that writes `WORDS` below the folder of the models.

    The form is that of the non-streaming models that
    https://github.com/moonshine-ai/moonshine/blob/main/core/moonshine-model.cpp reads. Each token is followed by the
    next word; the first one comes only when it is loud.
    """
    tokens = ["<unk>", "<s>", "</s>", *(f"\N{LOWER ONE EIGHTH BLOCK}{word}" for word in WORDS.split())]
    loud, always = (np.zeros((len(tokens), len(tokens)), dtype=np.float32) for _ in range(2))
    loud[1, 3] = 1000
    always[1, 2] = 5
    for token in range(3, len(tokens)):
        always[token, token + 1 if token + 1 < len(tokens) else 2] = 5
    home = folder / "moonshine" / model
    home.mkdir(parents=True)
    encoder = [
        node("Abs", ["input_values"], ["level"]),
        node("ReduceMax", ["level"], ["loudest"], axes=[1], keepdims=1),
        node("Unsqueeze", ["loudest", "last"], ["last_hidden_state"]),
    ]
    _write_ort(
        home / "encoder_model.ort",
        graph(
            encoder,
            [("input_values", FLOAT, [1, "n"])],
            [("last_hidden_state", FLOAT, [1, 1, 1])],
            {"last": np.array([2], dtype=np.int64)},
        ),
    )
    caches = [
        f"{layer}.{side}.{part}" for layer in range(6) for side in ("decoder", "encoder") for part in ("key", "value")
    ]
    decoder = [
        node("Gather", ["loud", "input_ids"], ["when_loud"], axis=0),
        node("Mul", ["when_loud", "encoder_hidden_states"], ["if_loud"]),
        node("Gather", ["always", "input_ids"], ["in_any_case"], axis=0),
        node("Add", ["if_loud", "in_any_case"], ["logits"]),
        *(node("Identity", [f"past_key_values.{cache}"], [f"present.{cache}"]) for cache in caches),
    ]
    inputs: list[Value] = [("input_ids", INT64, [1, "n"]), ("encoder_hidden_states", FLOAT, [1, "t", 1])]
    inputs += [(f"past_key_values.{cache}", FLOAT, [1, 8, "p", 36]) for cache in caches]
    inputs.append(("use_cache_branch", BOOL, [1]))
    outputs: list[Value] = [("logits", FLOAT, [1, "n", len(tokens)])]
    outputs += [(f"present.{cache}", FLOAT, [1, 8, "p", 36]) for cache in caches]
    _write_ort(home / "decoder_model_merged.ort", graph(decoder, inputs, outputs, {"loud": loud, "always": always}))
    (home / "tokenizer.bin").write_bytes(b"".join(bytes([len(it.encode())]) + it.encode() for it in tokens))


def _write_ort(path: Path, body: bytes) -> None:
    """Write a graph in ONNX Runtime's own format (https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html)."""
    plain = path.with_suffix(".onnx")
    write_model(plain, body)
    options = SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
    plain.unlink()
