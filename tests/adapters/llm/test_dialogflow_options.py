import pytest

from adapters.credentials import resolve_options
from adapters.llm.table import LLM_TABLE
from models.errors import InvalidField
from models.providers import LlmProvider

ROW = LLM_TABLE[LlmProvider.DIALOGFLOW]


def test_defaults():
    assert {name: value for name, value in resolve_options(ROW, {}, {}).items() if value} == {
        "location": "global",
        "language": "en",
        "welcome_event": "WELCOME",
    }


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("project", "example.com:crm-42", "a/b"),
        ("location", "europe-west1", "evil.example.com/"),
        ("agent", "b1808233-450b-4065-9492-bc9b40151641", "a/b"),
        ("environment", "prod-1", "a/../b"),
        ("language", "zh-Hant-TW", "en_US!"),
        ("welcome_event", "CALL_STARTED", "a\nb"),
        ("welcome_text", "Hello, good day.", "a\nb"),
        ("handoff_target", "tel:+15551230001", "+15551230001"),
    ],
)
def test_values_are_checked(name, good, bad):
    assert resolve_options(ROW, {name: good}, {})[name] == good
    with pytest.raises(InvalidField) as refused:
        resolve_options(ROW, {name: bad}, {})
    assert refused.value.field == f"parameter.llm_options.{name}"
