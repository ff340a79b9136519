from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.replay.page import asset, escape, page
from tests.runtime.replay.pages import Page


@pytest.mark.parametrize("name", ["base.css", "report.css", "timeline.css", "timeline.js"])
def test_assets_are_packaged_and_fetch_nothing(name: str) -> None:
    text = asset(name)
    assert text
    assert not [word for word in ("http:", "https:", "url(", "@import", "fetch(", "XMLHttp") if word in text]
    assert "</" not in text


def test_a_page_forbids_the_browser_to_fetch() -> None:
    found = Page(page("Title", "<p>hello</p>", styles=("base.css",)))
    policies = [
        attributes["content"] for tag, attributes in found.elements if tag == "meta" and "http-equiv" in attributes
    ]
    assert policies
    assert policies[0]
    assert "default-src 'none'" in policies[0]
    assert found.addresses == []
    assert found.data is None
    assert "hello" in found.text


@given(text=st.text() | st.sampled_from(["</script><script>alert(1)</script>", "<!--<script>", "]]>", "\u2028"]))
def test_no_text_gets_out_of_its_place(text: str) -> None:
    found = Page(page(text, f'<p title="{escape(text)}">x</p>', styles=(), scripts=("timeline.js",), data={"it": text}))
    assert found.data == {"it": text}
    assert found.count("script") == 2
    assert found.count("p") == 1
