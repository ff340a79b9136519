from hypothesis import given
from hypothesis import strategies as st

from adapters.knowledge.sections import markdown_sections

MARKDOWN = """Before everything.

# Hours #

Nine to five.

## Holidays
Closed.

```
# not a heading
```

# Parking
Free.
"""


def test_markdown_is_cut_at_its_headings() -> None:
    found = [(section.headings, " ".join(section.text.split())) for section in markdown_sections(MARKDOWN)]
    assert found == [
        ((), "Before everything."),
        (("Hours",), "Nine to five."),
        (("Hours", "Holidays"), "Closed. ``` # not a heading ```"),
        (("Parking",), "Free."),
    ]


@given(st.text(max_size=400))
def test_any_markdown_is_split(text: str) -> None:
    found = list(markdown_sections(text))
    assert all(section.text for section in found)
