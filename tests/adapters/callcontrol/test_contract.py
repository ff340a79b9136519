from adapters.callcontrol.base import ControlCommand
from models.tools import TOOLS


def test_every_command_is_a_tool_that_changes_something() -> None:
    assert all(TOOLS[command].effect for command in ControlCommand)
