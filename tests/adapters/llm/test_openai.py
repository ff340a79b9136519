from tests.adapters.llm.contract import VendorLlmContract
from tests.standins.openai import OpenAIStandIn


class TestOpenAi(VendorLlmContract):
    engine = "openai.gpt-4o"
    endpoint = "chat"
    stand_in = OpenAIStandIn
