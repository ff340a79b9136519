"""Putting what several searches found into one order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)

_FUSION_K = 60
"""How little the first places count more than those behind them (Cormack et al., SIGIR 2009)."""


def fuse(rankings: Sequence[Sequence[Key]]) -> list[tuple[Key, float]]:
    """Join rankings by reciprocal rank fusion.

    Args:
        rankings: What each search found, the best first.

    Returns:
        Everything that was found, the best first, with its score; equal ones in the order of the first ranking.
    """
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for place, key in enumerate(ranking):
            scores[key] = scores.get(key, 0.0) + 1.0 / (_FUSION_K + 1 + place)
    return sorted(scores.items(), key=lambda item: -item[1])


def to_blob(vector: Sequence[float]) -> bytes:
    """Return a vector as it is stored: of length one, 32-bit little-endian floats.

    Raises:
        ValueError: It has no direction.
    """
    array = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(array))
    if not np.isfinite(length) or length == 0.0:
        raise ValueError("the vector has no direction")
    return (array / length).astype("<f4").tobytes()


def nearest(query: bytes, stored: Sequence[tuple[Key, bytes]], count: int) -> list[Key]:
    """Return the vectors that point where a query's does, the nearest first.

    Args:
        query: From `to_blob`.
        stored: Vectors from `to_blob`; those of another length belong to another model and are left out.
        count: Most to return.
    """
    fitting = [(key, blob) for key, blob in stored if len(blob) == len(query)]
    if not fitting:
        return []
    matrix = np.frombuffer(b"".join(blob for _, blob in fitting), dtype="<f4").reshape(len(fitting), -1)
    order = np.argsort(-(matrix @ np.frombuffer(query, dtype="<f4")), kind="stable")[:count]
    return [fitting[int(index)][0] for index in order]
