from tests.adapters.llm.contract import VendorLlmContract, conversation
from tests.standins.gemini import GeminiStandIn
from tests.standins.replies import Reply


class TestGemini(VendorLlmContract):
    engine = "gemini.gemini-3.6-flash"
    endpoint = "generate"
    stand_in = GeminiStandIn
    arguments_are_text = False

    async def test_sends_prompt_model_and_key(self) -> None:
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
            (request,) = self.vendor.requests_to(self.endpoint)
            assert request.path == "/v1beta/models/gemini-3.6-flash:streamGenerateContent"
            assert request.query == {"alt": "sse"}
            assert request.headers["x-goog-api-key"] in self.vendor.keys
            assert request.body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
            assert request.body["contents"] == [{"role": "user", "parts": [{"text": "Hi."}]}]
            # A whole answer may take longer than the wait for its next piece.
            assert "x-server-timeout" not in request.headers

    async def test_thinks_as_little_as_the_model_can(self) -> None:
        for engine, thinking in {
            "gemini.gemini-3.6-flash": {"thinking_level": "MINIMAL"},
            "gemini.gemini-2.5-flash": {"thinking_budget": 0},
            "gemini.gemini-2.5-pro": {"thinking_budget": 128},
        }.items():
            self.engine = engine
            async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
                await talk.user_says("Hi.")
                await talk.answers()
                (request,) = self.vendor.requests_to(self.endpoint)
                assert request.body["generationConfig"]["thinkingConfig"] == thinking
