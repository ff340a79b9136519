from typing import Any

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import FunctionCallParams, LLMService
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.clients import SharedClients
from adapters.llm.aws import ToolCall
from adapters.llm.build import build_llm
from models.providers import EngineModel
from tests.adapters.llm.contract import Conversation, VendorLlmContract, conversation
from tests.adapters.vendors import KEY, first_error, impatient_clients
from tests.standins.aws import ACCESS_KEY, AwsStandIn
from tests.standins.aws_eventstream import event
from tests.standins.base import StandIn
from tests.standins.faults import Faults
from tests.standins.replies import Reply

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


async def told(params: FunctionCallParams) -> None:
    await params.result_callback({"sky": "clear"})


WEATHER = FunctionSchema("weather", "", {"city": {"type": "string"}}, ["city"], handler=told)


def aws_key(key: SecretStr) -> SecretStr:
    return SecretStr(f"{ACCESS_KEY}:{key.get_secret_value()}")


class TestBedrock(VendorLlmContract):
    engine = "aws.us.amazon.nova-lite-v1:0"
    endpoint = "converse"
    stand_in = AwsStandIn

    def build(self, vendor: StandIn, clients: SharedClients, key: SecretStr = KEY) -> LLMService[Any]:
        return super().build(vendor, clients, aws_key(key))

    async def test_sends_prompt_model_and_key(self) -> None:
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            await talk.user_says("Hi.")
            await talk.answers()
            (request,) = self.vendor.requests_to("converse")
            assert request.path == "/model/us.amazon.nova-lite-v1:0/converse-stream"
            assert request.body == {
                "system": [{"text": "Be brief."}],
                "messages": [{"role": "user", "content": [{"text": "Hi."}]}],
            }
            assert request.headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/")

    async def ask(self, talk: Conversation, context: LLMContext) -> Any:
        await talk.pipe.send(LLMContextFrame(context))
        await talk.answers()
        return self.vendor.requests_to("converse")[-1].body

    async def test_a_conversation_that_the_bot_began_is_accepted(self) -> None:
        greeted = [{"role": "assistant", "content": "Good day."}, {"role": "user", "content": "Hi."}]
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            body = await self.ask(talk, LLMContext(messages=greeted))
            assert talk.text == "Hello."
            assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]

    @pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Good day."}]])
    async def test_the_bot_may_speak_unasked(self, messages: Any) -> None:
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            body = await self.ask(talk, LLMContext(messages=messages))
            assert talk.text == "Hello."
            assert body["messages"][-1]["role"] == "user"

    async def test_tools_that_were_used_may_be_taken_away(self) -> None:
        replies = Reply("", [("weather", {"city": "Bergen"})]), Reply("Clear."), Reply("Yes.", [("no_operation", {})])
        async with self.answering(*replies) as llm, conversation(llm, WEATHER) as talk:
            await talk.user_says("How is the weather in Bergen?")
            await talk.answers(2)
            talk.context.set_tools()
            await talk.user_says("Really?")
            await talk.answers(3)
            assert talk.text.endswith("Yes.")
            config = self.vendor.requests_to("converse")[-1].body["toolConfig"]
            assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["no_operation"]
            # The tool that only stands in for others is never called.
            assert len(self.vendor.requests_to("converse")) == 3

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [
            ("auto", {"auto": {}}),
            ("required", {"any": {}}),
            ({"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}}),
        ],
    )
    async def test_a_tool_can_be_demanded(self, choice: Any, sent: Any) -> None:
        async with self.answering(Reply("Hello.")) as llm, conversation(llm) as talk:
            messages: Any = [{"role": "user", "content": "Hi."}]
            body = await self.ask(talk, LLMContext(messages=messages, tools=[WEATHER], tool_choice=choice))
            assert body["toolConfig"]["toolChoice"] == sent
            assert "description" not in body["toolConfig"]["tools"][0]["toolSpec"]

    @pytest.mark.parametrize("model", [ARN, "amazon.nova-micro-v1:0", "eu.anthropic.claude-sonnet-4-6-v1:0"])
    async def test_a_model_may_be_named_by_an_arn(self, model: str) -> None:
        async with AwsStandIn(reply=[Reply("Hello.")]) as vendor, impatient_clients() as clients:
            environ = {"AICALL_BASE_URL_AWS": vendor.base_url}
            engine = EngineModel.parse(f"aws.{model}")
            llm = build_llm(engine, key=aws_key(KEY), system_instruction="", resources=clients, environ=environ)
            async with conversation(llm) as talk:
                await talk.user_says("Hi.")
                await talk.answers()
                assert talk.text == "Hello."
                (request,) = vendor.requests_to("converse")
                assert request.path == f"/model/{model}/converse-stream"
                assert "system" not in request.body

    @pytest.mark.parametrize(
        ("kind", "category"),
        [
            ("throttlingException", ErrorCategory.RATE_LIMIT),
            ("modelStreamErrorException", ErrorCategory.SERVER),
            ("internalServerException", ErrorCategory.SERVER),
            ("serviceUnavailableException", ErrorCategory.SERVER),
            ("validationException", ErrorCategory.INVALID_REQUEST),
        ],
    )
    async def test_an_error_in_mid_answer_shows(self, kind: str, category: ErrorCategory) -> None:
        async with self.answering(Reply("One two.")) as llm, conversation(llm) as talk:
            self.vendor.stream_exception = kind
            await talk.user_says("Hi.")
            await first_error(talk.pipe, category)
            await talk.answers()
            assert talk.text == "One two."

    async def test_answers_outside_the_pipeline(self) -> None:
        async with self.answering(Reply("A short summary.")) as llm:
            messages: Any = [{"role": "user", "content": "Sum up."}]
            said = await llm.run_inference(LLMContext(messages=messages), max_tokens=50, system_instruction="Sum up.")
            assert said == "A short summary."
            (request,) = self.vendor.requests_to("converse")
            assert request.body["inferenceConfig"] == {"maxTokens": 50}
            assert request.body["system"] == [{"text": "Sum up."}]

    async def test_an_answer_without_an_end_broke_off(self) -> None:
        async with self.answering() as llm, conversation(llm) as talk:
            whole = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "One"}})
            self.vendor.faults = Faults(answer=("application/vnd.amazon.eventstream", whole))
            await talk.user_says("Hi.")
            await first_error(talk.pipe, ErrorCategory.CONNECTIVITY)
            await talk.answers()
            assert talk.text == "One"


@pytest.mark.parametrize("arguments", ['{"city": "Ber', '["Bergen"]'])
def test_a_call_with_malformed_arguments_is_not_made(arguments: str) -> None:
    call = ToolCall("1", "weather")
    call.arguments = arguments
    with pytest.raises(ValueError):
        call.made(LLMContext())


@pytest.mark.parametrize("arguments", ["", "{}", "null"])
def test_a_call_without_arguments_is_made(arguments: str) -> None:
    call = ToolCall("1", "weather")
    call.arguments = arguments
    assert call.made(LLMContext()).arguments == {}
