from adapters.callcontrol.base import ControlCommand
from models.tools import TOOLS


def test_every_command_that_is_a_tool_changes_something() -> None:
    tools = [TOOLS[command] for command in ControlCommand if command in TOOLS]
    assert [tool.name for tool in tools] == ["connect_call", "create_call", "stop_flow", "send_message"]
    assert all(tool.effect for tool in tools)
