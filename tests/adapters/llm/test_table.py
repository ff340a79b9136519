"""The table of language models: what its rows promise to everybody who reads them."""

import pytest

from adapters.llm.table import LLM_TABLE, OPENAI_COMPATIBLE
from adapters.seats import Capability, ProviderRow
from models.providers import EngineModel
from tests.adapters.contracts import contract_classes
from tests.adapters.llm.contract import LlmContract, VendorLlmContract


def test_every_vendor_that_runs_passes_the_contract() -> None:
    tested = {EngineModel.parse(it.engine).provider for it in contract_classes("llm", VendorLlmContract)}
    assert tested == {row.name for row in LLM_TABLE.rows if row.runs and row.key_variable}
    others = set(contract_classes("llm", LlmContract)) - set(contract_classes("llm", VendorLlmContract))
    assert {it.__name__ for it in others} == {"TestScript"}


@pytest.mark.parametrize("row", LLM_TABLE.rows, ids=lambda row: row.name)
def test_the_recommended_model_can_be_written_in_an_ai(row: ProviderRow) -> None:
    assert str(EngineModel.parse(f"{row.name}.{row.default_model}")) == f"{row.name}.{row.default_model}"


def test_what_runs_streams_and_calls_tools() -> None:
    running = [row for row in LLM_TABLE.rows if row.runs]
    assert running
    assert all({Capability.STREAMING, Capability.TOOLS} <= row.capabilities for row in running)


def test_a_compatible_vendor_has_an_endpoint_of_its_own() -> None:
    compatible = [row for row in LLM_TABLE.rows if row.factory == OPENAI_COMPATIBLE]
    assert compatible
    assert len({row.base_url for row in compatible}) == len(compatible)
    assert all(row.base_url.startswith(("https://", "http://localhost")) for row in compatible)
