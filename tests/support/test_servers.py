import pytest

from tests.support.servers import ServerProcess, find_program, missing


def test_a_missing_server_is_skipped_at_home_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="package some-server"):
        missing("some-server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="package some-server"):
        missing("some-server")


def test_a_program_is_found_or_not() -> None:
    assert find_program("sh") is not None
    assert find_program("no-such-program") is None


def test_a_server_that_ends_at_once_says_why() -> None:
    server = ServerProcess("shell")
    with pytest.raises(RuntimeError, match="out of order"):
        server.launch(lambda: False, "/bin/sh", "-c", "echo out of order")
    server.remove()
    assert not server.folder.exists()
