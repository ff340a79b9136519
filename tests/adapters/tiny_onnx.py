"""Writes small ONNX models, in as much of the format as they need (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FLOAT, INT64, BOOL = 1, 7, 9
"""Of ``TensorProto.DataType``."""

_TYPES = {"float32": FLOAT, "int64": INT64, "bool": BOOL}
_OPSET, _IR_VERSION = 17, 8

Value = tuple[str, int, Sequence[int | str]]
"""Name, type and dimensions of an input or output; a string is a dimension of any length."""


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: float | str | bytes) -> bytes:
    """A field of a protocol buffer (https://protobuf.dev/programming-guides/encoding)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + np.float32(value).tobytes()
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, array: npt.NDArray[Any]) -> bytes:
    dims = b"".join(field(1, dim) for dim in array.shape)
    return dims + field(2, _TYPES[array.dtype.name]) + field(8, name) + field(9, array.tobytes())


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | Sequence[int] | bytes) -> bytes:
    """An operation; an attribute of bytes is a graph."""
    out = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs) + field(4, op)
    for name, value in attributes.items():
        if isinstance(value, int):
            body = field(3, value) + field(20, 2)
        elif isinstance(value, bytes):
            body = field(6, value) + field(20, 5)
        else:
            body = b"".join(field(8, it) for it in value) + field(20, 7)
        out += field(5, field(1, name) + body)
    return out


def value_info(value: Value) -> bytes:
    name, kind, shape = value
    dims = b"".join(field(1, field(1 if isinstance(dim, int) else 2, dim)) for dim in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def graph(
    nodes: Sequence[bytes],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    constants: Mapping[str, npt.NDArray[Any]],
) -> bytes:
    out = b"".join(field(1, it) for it in nodes) + field(2, "tiny")
    out += b"".join(field(5, tensor(name, array)) for name, array in constants.items())
    out += b"".join(field(11, value_info(it)) for it in inputs)
    return out + b"".join(field(12, value_info(it)) for it in outputs)


def write_model(path: Path, body: bytes) -> None:
    """Write a graph as a model."""
    opset = field(1, "") + field(2, _OPSET)
    path.write_bytes(field(1, _IR_VERSION) + field(7, body) + field(8, opset))
