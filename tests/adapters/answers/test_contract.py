"""What every carrier's document does, whatever is known of the call."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.answers.base import JSON_TYPE, LONGEST_VARIABLE, XML_TYPE, Answer, Stream, variables
from adapters.answers.table import CARRIERS, Carrier

URL = "wss://calls.example.com/voice/ws/7b1e/t0ken_-/protocol"

each = pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)


def texts(answer: Answer) -> list[str]:
    """Every text in a document: of XML those of attributes and elements, of JSON all values."""
    if answer.media_type == XML_TYPE:
        root = ElementTree.fromstring(answer.body)
        return [it for element in root.iter() for it in (*element.attrib.values(), element.text or "")]
    assert answer.media_type == JSON_TYPE
    return _leaves(json.loads(answer.body))


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [it for one in value.values() for it in _leaves(one)]
    if isinstance(value, list):
        return [it for one in value for it in _leaves(one)]
    return [str(value)]


@each
def test_it_names_the_stream(carrier: Carrier) -> None:
    found = texts(carrier.document.connect(Stream(URL)))
    assert found.count(URL) == 1


@each
def test_it_tells_what_is_known_of_the_call(carrier: Carrier) -> None:
    said = {"session": "CA1", "from": "+15550001", "to": "<\"&'>?=é"}
    found = "\n".join(texts(carrier.document.connect(Stream(URL, said))))
    quoted = "+15550001" not in found
    for value in ("CA1", "%2B15550001", "%3C%22%26%27%3E%3F%3D%C3%A9") if quoted else said.values():
        assert value in found


@each
def test_it_says_a_sentence_and_hangs_up(carrier: Carrier) -> None:
    declined = carrier.document.decline("Lines are <busy> & full.")
    if declined is not None:
        assert texts(declined).count("Lines are <busy> & full.") == 1
        assert URL not in declined.body


@given(given_=st.fixed_dictionaries({name: st.text(max_size=120) for name in ("session", "from_", "to")}))
def test_whatever_is_said_of_the_call_the_document_is_well_formed(given_: dict[str, str]) -> None:
    said = variables(**given_)
    for carrier in CARRIERS.values():
        assert texts(carrier.document.connect(Stream(URL, said)))


def test_variables_are_those_that_are_known() -> None:
    assert variables(session="", from_="\x00+1\x0b\ud800\uffff", to="x" * 1000) == {
        "from": "+1",
        "to": "x" * LONGEST_VARIABLE,
    }


@each
def test_a_document_does_not_show_its_token(carrier: Carrier) -> None:
    stream = Stream(URL, bearer="s3cret", user_password="u:s3cret")
    for shown in (repr(stream), repr(carrier.document.connect(stream))):
        assert "t0ken" not in shown
        assert "s3cret" not in shown
