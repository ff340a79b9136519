from tests.adapters.llm.contract import VendorLlmContract
from tests.standins.anthropic import AnthropicStandIn


class TestAnthropic(VendorLlmContract):
    engine = "anthropic.claude-sonnet-4-6"
    endpoint = "messages"
    stand_in = AnthropicStandIn
