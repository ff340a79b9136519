import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support.postgresql_server import PASSWORD, PostgresqlServer

ROOT = Path(__file__).parents[2]

ABANDONED = """
import sys, time
from tests.support.postgresql_server import PostgresqlServer
server = PostgresqlServer()
server.start()
print(server._process.pid, server.folder, flush=True)
time.sleep(600)
"""


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        return {name for (name,) in rows}


def test_every_test_has_a_database_with_the_schema_and_without_rows(postgresql_url: str) -> None:
    assert {"aicalls", "events", "alembic_version"} <= tables(postgresql_url)
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT count(*) FROM ais").fetchone() == (0,)


def test_databases_are_apart_and_can_be_bare(postgresql_server: PostgresqlServer) -> None:
    bare, other = (postgresql_server.create_database(migrated=False) for _ in range(2))
    with psycopg.connect(bare) as connection:
        connection.execute("CREATE TABLE mine (x int)")
    assert (tables(bare), tables(other)) == ({"mine"}, set())
    for url in (bare, other):
        postgresql_server.drop_database(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(bare)


def test_a_wrong_password_is_refused(postgresql_server: PostgresqlServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgresql_server.url("postgres", "wrong"))
    assert PASSWORD not in postgresql_server.url("postgres")


def test_a_server_can_be_held_and_stopped_and_comes_back_on_its_port(
    own_postgresql_server: PostgresqlServer,
) -> None:
    server = own_postgresql_server
    url = server.create_database()
    with psycopg.connect(url) as connection:
        server.hold()
        states = {process.status() for process in server._family()}
        assert states == {psutil.STATUS_STOPPED}
        server.resume()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    server.start()
    assert "aicalls" in tables(url)


def test_a_server_ends_with_the_process_that_started_it(postgresql_server: PostgresqlServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ABANDONED],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        pid, folder = process.stdout.readline().split()
        server = psutil.Process(int(pid))
        assert server.is_running()
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    subprocess.run(["rm", "-rf", folder], check=True)
