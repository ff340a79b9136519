"""The rules of CONTRIBUTING.md that a machine can check."""

import hashlib
import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FLOORS = ("adapters", "models", "pipelines", "runtime")
FOLDERS = (*FLOORS, ".ci", "bench", "deploy", "docs", "tests")
TEXT = {"", ".cfg", ".conf", ".css", ".gram", ".html", ".ini", ".js", ".json", ".md", ".mako", ".py", ".service"}
TEXT |= {".sh", ".svg", ".toml", ".txt", ".yaml", ".yml"}

UNMIRRORED = {
    "adapters/store/base.py": "a contract, whose suite contract.py is run by test_sqlalchemy_store.py",
    "adapters/store/migrations": "run by the store's contract suite, which migrates every database it tests",
    **{
        f"adapters/store/{topic}/{module}.py": "run by the topic's contract suite, on every database"
        for topic in ("assistants", "customers", "deliveries", "knowledge", "life", "teams", "texts")
        for module in ("contract", "tables")
    },
    "adapters/store/all_tables.py": "imports; test_migrate.py compares the tables with the migrations",
    "adapters/store/sql_base.py": "run by the store's contract suite",
    "adapters/store/sql_ais.py": "statements; the store's contract suite sees what each of them does",
    "adapters/store/deliveries/sql_queue.py": "statements; the topic's contract suite sees what each of them does",
    "adapters/store/deliveries/sql_webhooks.py": "statements; the topic's contract suite sees what each of them does",
    "adapters/store/assistants/statements.py": "statements; the topic's contract suite sees what each of them does",
    "adapters/store/knowledge/statements.py": "statements; the topic's contract suite sees what each of them does",
    "adapters/store/knowledge/words.py": "statements; the topic's contract suite sees what each of them does",
    "models/prompts.py": "texts; test_script_dialogue.py sees that each is told from the others",
    "pipelines/tools/bound.py": "two records, with nothing in them that could fail",
    "pipelines/text/outlet.py": "stands in the pipeline that test_agent.py runs",
    "runtime/text/answering.py": "run by test_worker.py, with an AI and with a team",
    "runtime/text/session.py": "run by test_worker.py, end to end",
    "runtime/text/wake.py": "one call; every test of test_worker.py begins with it",
    "pipelines/tools/host.py": "a contract, with nothing in it that could fail",
}
"""Source paths with no test module of their own, and who tests them instead."""

SILERO_6_2_3 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""SHA-256 of ``silero_vad/data/silero_vad.onnx`` in the wheel of silero-vad 6.2.3."""


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def text_files() -> Iterator[Path]:
    yield from (path for path in files(*FOLDERS) if path.suffix in TEXT)
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT and path.name != ".git")


def modules(*folders: str) -> list[Path]:
    return sorted(path for path in files(*folders) if path.suffix == ".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_imports_run_downwards_only() -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "3 kept, 0 broken" in run.stdout


@pytest.mark.parametrize("folders", [FLOORS, ("tests",)], ids=["source", "tests"])
def test_files_are_short(folders: tuple[str, ...]) -> None:
    lengths = {name(path): lines(path) for path in modules(*folders) if path.name != "__init__.py"}
    assert {file: length for file, length in lengths.items() if length > 600} == {}
    assert statistics.median(lengths.values()) <= 200


def test_tests_mirror_the_source() -> None:
    missing = []
    for path in modules(*FLOORS):
        if path.stem in {"__init__", "__main__"} or any(name(path).startswith(it) for it in UNMIRRORED):
            continue
        folder = ROOT / "tests" / path.relative_to(ROOT).parent
        # What a seat's base.py promises is checked by the suite that every adapter of the seat passes.
        names = [f"test_{path.stem}.py"] + (["test_contract.py"] if path.stem == "base" else [])
        if not any((folder / it).exists() for it in names):
            missing.append(name(path))
    assert missing == []


@pytest.mark.parametrize("path", UNMIRRORED)
def test_an_exception_to_the_mirror_is_still_needed(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in modules("tests")}
    assert [name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_nothing_is_left_for_later() -> None:
    # Put together here, so that this file does not find itself.
    marks = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
    assert found(marks) == []


def test_no_path_of_one_machine() -> None:
    paths = re.compile(r"(?<![\w.}\])-])/(work|tmp|root|home|Users)/\w")
    assert found(paths) == []


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name(path)}:{number}"
        for path in text_files()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_names_no_host_and_hashes_everything(file: str) -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / file).read_text(), flags=re.MULTILINE)
    for entry in text.replace("\\\n", "").splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^@]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry
        assert "/" not in entry


IN_PROCESS = ("local", "kokoro", "moonshine", "opus", "piper", "whisper")
"""Extras of recognisers, voices and Opus in the process. They are large, and some are copyleft: not in the image."""


def test_the_lock_covers_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    in_process = {it for name in IN_PROCESS for it in asked(extras.pop(name))}
    runtime = project["project"]["dependencies"] + [it for extra in extras.values() for it in extra]
    assert asked(runtime) <= locked("requirements.txt")
    assert asked(project["dependency-groups"]["dev"]) | in_process <= locked("requirements-dev.txt")
    assert not in_process & locked("requirements.txt")


def test_the_development_lock_holds_the_runtime_one() -> None:
    entry = re.compile(r"^\S+==.*$", re.MULTILINE)
    runtime, development = ((ROOT / it).read_text() for it in ("requirements.txt", "requirements-dev.txt"))
    assert set(entry.findall(runtime)) <= set(entry.findall(development))


def asked(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;~! ]", requirement)[0].lower() for requirement in requirements}


def locked(file: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / file).read_text(), flags=re.MULTILINE))


def test_the_voice_detector_is_that_of_silero_vad_6_2_3() -> None:
    spec = importlib.util.find_spec("pipecat")
    assert spec
    assert spec.origin
    model = Path(spec.origin).parent / "audio" / "vad" / "data" / "silero_vad.onnx"
    assert hashlib.sha256(model.read_bytes()).hexdigest() == SILERO_6_2_3


def dockerfile() -> list[list[str]]:
    """The Dockerfile as stages of instructions, comments dropped and continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [
        ["FROM " + line for line in part.splitlines()[:1]] + part.splitlines()[1:] for part in text.split("FROM ")[1:]
    ]


def test_the_image_is_slim_pinned_and_not_run_by_root() -> None:
    stages = dockerfile()
    assert all(re.match(r"FROM python:3\.\d+-slim-\w+", stage[0]) for stage in stages)
    final = stages[-1]
    users = [line.split()[1] for line in final if line.startswith("USER ")]
    assert users == ["10001:10001"]
    assert not any(re.search(r"\b(apt|apt-get|pip|gcc|make)\b", line) for line in final)
    assert any(line.startswith("HEALTHCHECK ") for line in final)
    assert "EXPOSE 8080" in final
    assert 'ENTRYPOINT ["aicall"]' in final


def test_the_image_holds_every_floor() -> None:
    copied = {line.split()[1] for line in dockerfile()[0] if line.startswith("COPY ") and len(line.split()) == 3}
    assert set(FLOORS) <= copied
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(FLOORS) | {"pyproject.toml", "requirements.txt", "README.md", "LICENSE"} <= kept


def test_deployments_drain_before_they_kill() -> None:
    compose = yaml.safe_load((ROOT / "deploy" / "docker-compose.yml").read_text())
    assert compose["services"]["aicall"]["stop_grace_period"] == "15m"
    assert "TimeoutStopSec=15min" in (ROOT / "deploy" / "aicall.service").read_text()


def stand_in(folder: Path, file: str, version: str) -> None:
    """Write an interpreter that only knows its version."""
    real = Path(sys.executable).resolve()
    script = f"""#!{real}
import sys
sys.version_info = {version}
exec(sys.argv[2])
"""
    (folder / file).write_text(script)
    (folder / file).chmod(0o755)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3": "(3, 11)", "python3.13": "(3, 13)"}, "python3"),
        ({"python3": "(3, 9)", "python3.12": "(3, 12)", "python3.13": "(3, 13)"}, "python3.13"),
        ({"python3.11": "(3, 11)"}, "python3.11"),
        ({"python3": "(3, 10)"}, None),
        ({}, None),
    ],
)
def test_setup_picks_an_interpreter(tmp_path: Path, there: dict[str, str], chosen: str | None) -> None:
    for file, version in there.items():
        stand_in(tmp_path, file, version)
    run = subprocess.run(
        ["/bin/sh", ROOT / ".ci" / "python"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == (chosen or "")
    assert (run.returncode == 0) == (chosen is not None)
    assert ("need 3.11" in run.stderr) == (chosen is None)


def test_ci_runs_without_its_executable_bit() -> None:
    run = subprocess.run(
        ["/bin/bash", "-n", ROOT / ".ci" / "run"], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert run.returncode == 0
    assert os.access(ROOT / ".ci" / "run", os.R_OK)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ({"initdb", "nats-server"}, ""),
        ({"nats-server"}, "missing: postgresql;"),
        (set(), "missing: postgresql nats-server;"),
    ],
)
def test_missing_servers_are_named_where_nobody_may_install_them(tmp_path: Path, there: set[str], missing: str) -> None:
    script = (ROOT / ".ci" / "servers").read_text()
    # Neither the system's own servers nor its rights.
    script = script.replace("/usr/", f"{tmp_path}/usr/").replace("$(id -u)", "1000")
    for file in there:
        (tmp_path / file).write_text("#!/bin/sh")
        (tmp_path / file).chmod(0o755)
    (tmp_path / "ls").symlink_to("/bin/ls")
    run = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == bool(missing), run.stderr
    assert run.stderr.startswith(missing)
    assert bool(run.stderr) == bool(missing)


def run_asterisk_script(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run ``.ci/asterisk`` on a system where only what stands in ``tmp_path`` exists, as root."""
    script = (ROOT / ".ci" / "asterisk").read_text().replace("/etc/", f"{tmp_path}/etc/").replace("$(id -u)", "0")
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("cat", "sed", "grep", "head", "ls", "mkdir", "rm", "touch", "mktemp", "tail", "timeout"):
        (tools / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    return subprocess.run(
        ["/bin/sh", "-c", script.replace('PATH="$PATH:/usr/sbin:/sbin"', "")],
        env={"PATH": str(tools), "AICALL_E2E_ROOT": str(tmp_path / "built"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_an_asterisk_that_cannot_be_built_is_skipped_and_why(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    run = run_asterisk_script(tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (77, "", "skipped: unshare (util-linux) is missing\n")
    shutil.rmtree(tools)
    program(tools, "unshare", "exit 1")
    assert run_asterisk_script(tmp_path).stderr == "skipped: no permission to mount\n"
    shutil.rmtree(tools)
    program(tools, "unshare", "exit 0")
    assert run_asterisk_script(tmp_path).stderr == "skipped: debootstrap is missing\n"


@pytest.mark.parametrize(
    ("file", "text", "mirror"),
    [
        ("sources.list", "# deb http://old.example/debian sid main\ndeb http://a.example/debian sid main\n", "a"),
        ("sources.list", "deb [arch=amd64 signed-by=k] https://a.example/debian/ sid main\n", "a"),
        ("sources.list.d/debian.sources", "Types: deb\n# x\nURIs: http://a.example/debian\nSuites: sid\n", "a"),
        ("sources.list.d/node.sources", "Types: deb\nURIs: https://deb.example.com/node_20.x\n", ""),
    ],
)
def test_asterisk_comes_from_this_machines_own_mirror(tmp_path: Path, file: str, text: str, mirror: str) -> None:
    tools = tmp_path / "bin"
    program(tools, "debootstrap", "")
    # The first call asks for the right to mount; the second one builds.
    program(tools, "unshare", 'case $* in *true) exit 0;; esac; echo "$*" >"$AICALL_E2E_ROOT.asked"; exit 1')
    (tmp_path / "etc/apt" / file).parent.mkdir(parents=True)
    (tmp_path / "etc/apt" / file).write_text(text)
    run = run_asterisk_script(tmp_path)
    assert run.returncode == 77
    if not mirror:
        assert "no Debian mirror" in run.stderr
        return
    asked = (tmp_path / "built.asked").read_text()
    assert re.search(rf" sid https?://{mirror}\.example/debian/?$", asked.strip())
    assert run.stderr.endswith("skipped: the root cannot be built\n")
    # Nothing half-built is left to be taken for whole.
    assert not (tmp_path / "built").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    program(tmp_path / "bin", "debootstrap", "")
    program(tmp_path / "bin", "unshare", "exit 0")
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "letter").write_text("Dear Ann")
    run = run_asterisk_script(tmp_path, AICALL_E2E_MIRROR="http://a.example/debian")
    assert run.returncode == 77
    assert "holds something else" in run.stderr
    assert (tmp_path / "built" / "letter").read_text() == "Dear Ann"
