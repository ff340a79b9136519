import subprocess
import sys
from pathlib import Path

from tests.support.alone import room

ROOT = Path(__file__).parents[2]
VISITOR = """
import sys
from pathlib import Path
from tests.support.alone import room
print("waiting", flush=True)
with room(Path(sys.argv[1]), alone=sys.argv[2] == "alone"):
    print("in", flush=True)
    sys.stdin.readline()
"""


class Visitor:
    """Another process that enters the room, says so and stays until it is let go."""

    def __init__(self, folder: Path, how: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", VISITOR, str(folder), how],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.says() == "waiting"

    def says(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def leave(self) -> str:
        return self._process.communicate("\n", timeout=30)[0].strip()


def test_tests_share_the_room(tmp_path: Path) -> None:
    visitor = Visitor(tmp_path, "shared")
    assert visitor.says() == "in"
    with room(tmp_path, alone=False):
        visitor.leave()


def test_one_that_is_alone_waits_for_the_others(tmp_path: Path) -> None:
    with room(tmp_path, alone=False):
        visitor = Visitor(tmp_path, "alone")
    assert visitor.says() == "in"
    visitor.leave()


def test_others_wait_for_one_that_is_alone(tmp_path: Path) -> None:
    with room(tmp_path, alone=True):
        visitor = Visitor(tmp_path, "shared")
        assert not _can_enter_twice(tmp_path)
    assert visitor.says() == "in"
    visitor.leave()


def _can_enter_twice(folder: Path) -> bool:
    """Say whether another process gets in at once."""
    probe = (
        "import fcntl, os, sys; d = os.open(sys.argv[1] + '/gate', os.O_RDWR);"
        "fcntl.flock(d, fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    return subprocess.run([sys.executable, "-c", probe, str(folder)], capture_output=True, check=False).returncode == 0
