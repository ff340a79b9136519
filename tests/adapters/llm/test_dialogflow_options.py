import pytest
from pydantic import SecretStr

from adapters.credentials import resolve_options
from adapters.llm.build import build_llm
from adapters.llm.table import LLM_TABLE
from models.errors import InvalidField
from models.providers import EngineModel, LlmProvider
from tests.adapters.vendors import patient_clients
from tests.standins.google_accounts import service_account

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


class TestRow:
    row = LLM_TABLE[LlmProvider.DIALOGFLOW]

    async def test_another_model_is_refused(self):
        with pytest.raises(InvalidField) as refused:
            self.row.check_model("dx", {})
        assert refused.value.field == "engine_model"
        assert "cx, es" in refused.value.message
        async with patient_clients() as clients:
            for model in ("dx", "cx"):
                with pytest.raises(InvalidField):
                    built_plain(model, clients)
            built_plain("es", clients)

    def test_cx_needs_an_agent_and_es_does_not(self):
        options = {"agent": "", "location": "global"}
        with pytest.raises(InvalidField) as refused:
            self.row.check_model("cx", {}, options)
        assert refused.value.field == "parameter.llm_options.agent"
        self.row.check_model("cx", {}, options | {"agent": "a"})
        self.row.check_model("es", {}, options)


def built_plain(model, clients):
    return build_llm(
        EngineModel(LlmProvider.DIALOGFLOW, model),
        key=SecretStr(service_account()),
        system_instruction="",
        resources=clients,
        environ={},
    )
