"""Every protocol has a page under ``docs/pbx``, which names what there is, and which the README leads to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.answers.table import CARRIERS
from adapters.media.registry import ROWS
from runtime.settings import Settings
from tests.adapters.media.protocols_table import page, proofs

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs" / "pbx").glob("*.md"))
NAMES = [row.name for row in ROWS]
HEADINGS = ("What you need", "Three steps", "Test it", "Known quirks", "Limits")
VARIABLES = {f"AICALL_{name.upper()}" for name in Settings.model_fields}


def text_of(name: str) -> str:
    return (ROOT / "docs" / "pbx" / f"{page(name)}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_tells_how_a_protocol_is_tried(name: str) -> None:
    assert re.search(rf"^\s*aicall replay .*--protocol {name}\b", text_of(name), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_the_settings_that_ask_for_proof(name: str) -> None:
    text = text_of(name)
    asked = {f"AICALL_{setting.upper()}" for signer in proofs(name) for setting in signer.settings}
    assert {variable for variable in asked if variable not in text} == set()


@pytest.mark.parametrize("name", CARRIERS)
def test_a_page_names_the_url_that_answers_calls(name: str) -> None:
    assert f"/v1.0/answer/{name}/" in text_of(name)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_a_page_is_some_protocols_and_names_nothing_that_is_not_there(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert file.stem in {page(name) for name in NAMES}
    found = set(re.findall(r"\bAICALL_[A-Z_]*[A-Z]", text))
    # Asterisk's channel variables have the same beginning.
    channel = {"AICALL_CHANNEL", "AICALL_TARGET", "AICALL_SUMMARY", "AICALL_CALLERID", "AICALL_DIGITS"}
    assert found - VARIABLES - (channel if file.stem == "asterisk" else set()) == set()
    assert set(re.findall(r"--protocol (\w+)", text)) <= set(NAMES)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_a_page_is_built_like_the_others(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    found = [heading for heading in re.findall(r"^## (.*)$", text, re.MULTILINE) if heading in HEADINGS]
    expected = [heading for heading in HEADINGS if heading != "Three steps" or file.stem != "asterisk"]
    assert [heading for heading in found if heading in expected] == expected


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_links_of_a_page_lead_somewhere(file: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", file.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        found = (file.parent / target).resolve()
        assert found.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings}, link


def test_the_readme_leads_to_each_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("### Point your phone system at it")[2].partition("\n### ")[0]
    linked = re.findall(r"\(docs/pbx/(\w+)\.md\)", section)
    assert sorted(set(linked)) == [file.stem for file in PAGES]
    assert "docs/protocols.md" in section


def test_the_load_test_knows_each_protocol() -> None:
    text = (ROOT / "docs" / "replay.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in text] == []
    assert "tcp://HOST:PORT/UUID" in text
