from google.cloud.dialogflowcx_v3 import DetectIntentRequest, DetectIntentResponse, QueryResult

from adapters.llm.dialogflow_cx import CxApi
from adapters.llm.dialogflow_session import AgentCall, AgentReply, Event, Keys, ToolDone, Words

AGENT = "projects/p/locations/global/agents/a"
CALL = AgentCall(f"{AGENT}/tools/t", "weather", {})


def api(environment=""):
    return CxApi(AGENT, environment, "s", "en")


def sent(said, parameters=None):
    return DetectIntentRequest.to_dict(
        DetectIntentRequest.deserialize(api().request(said, parameters or {})),
        use_integers_for_enums=False,
        always_print_fields_with_no_presence=False,
    )


def read(*messages, **fields):
    response = DetectIntentResponse(query_result=QueryResult(response_messages=list(messages)), **fields)
    return api().reply(DetectIntentResponse.serialize(response))


def test_the_session_is_in_the_environment():
    assert api().session == f"{AGENT}/sessions/s"
    assert api("prod").session == f"{AGENT}/environments/prod/sessions/s"


def test_tells_each_kind_of_input():
    assert sent(Words("Hi.")) == {
        "session": f"{AGENT}/sessions/s",
        "query_input": {"text": {"text": "Hi."}, "language_code": "en"},
        "response_view": "DETECT_INTENT_RESPONSE_VIEW_BASIC",
    }
    assert sent(Keys("12", "#"))["query_input"]["dtmf"] == {"digits": "12", "finish_digit": "#"}
    assert sent(Event("WELCOME"))["query_input"]["event"] == {"event": "WELCOME"}
    done = sent(ToolDone(CALL, {"sky": "clear", "hours": [9, None]}))["query_input"]["tool_call_result"]
    assert done == {
        "tool": f"{AGENT}/tools/t",
        "action": "weather",
        "output_parameters": {"sky": "clear", "hours": [9.0, None]},
    }
    refused = sent(ToolDone(CALL, None))["query_input"]["tool_call_result"]
    assert refused["error"]["message"]
    assert "output_parameters" not in refused


def test_tells_what_the_agent_is_to_remember():
    assert sent(Words("Hi."), {"call": {"from": "1"}})["query_params"] == {"parameters": {"call": {"from": "1"}}}


def test_reads_words_and_leaves_out_what_is_not_for_the_ear():
    texts = ({"text": {"text": ["Hello."]}}, {"payload": {"a": "b"}}, {"play_audio": {"audio_uri": "gs://a"}})
    assert read(*texts, {"text": {"text": [" "]}}, {"text": {"text": ["Bye."]}}).texts == ("Hello.", "Bye.")
    assert read(*texts, {"output_audio_text": {"ssml": "<speak>Spoken.</speak>"}}).texts == ("Spoken.",)


def test_reads_what_the_agent_wants():
    assert read({"end_interaction": {}}).ends
    assert read({"live_agent_handoff": {"metadata": {"queue": "a", "to": {"n": 1}}}}).handoff == {
        "queue": "a",
        "to": {"n": 1.0},
    }
    assert read({"live_agent_handoff": {}}).handoff == {}
    assert read({"telephony_transfer_call": {"phone_number": "+1"}}).handoff == {"phone_number": "+1"}
    wanted = {"tool": CALL.tool, "action": "weather", "input_parameters": {"city": "Bergen"}}
    assert read({"tool_call": wanted}).calls == (AgentCall(CALL.tool, "weather", {"city": "Bergen"}),)
    assert read() == AgentReply()


def test_a_partial_response_is_not_the_last():
    kinds = DetectIntentResponse.ResponseType
    assert not read(response_type=kinds.PARTIAL).final
    assert read(response_type=kinds.FINAL).final
    # The method without streaming need not say so.
    assert read().final
