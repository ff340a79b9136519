"""What an account can use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """A voice or a model that an account can use.

    Attributes:
        id: What an AI names it by.
        name: Name for people; '' when the vendor has none.
        languages: BCP 47 tags or the vendor's own codes; empty when the vendor does not say.
        gender: ``female``, ``male``, ``neutral`` or '' when the vendor does not say.
    """

    id: str
    name: str = ""
    languages: tuple[str, ...] = ()
    gender: str = ""
