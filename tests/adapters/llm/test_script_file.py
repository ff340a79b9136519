import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.llm.script_file import list_scripts, load_script, parse_script
from models.errors import InvalidField

RULES = "rules:\n- when: hello\n  say: hi\n"


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("", "script.yaml:1", "mapping"),
        ("- a", "script.yaml:1", "mapping"),
        ("rules: [", "script.yaml:1", "expected"),
        ("a: b\n  c: d", "script.yaml:2", "not allowed"),
        ("x: \x00", "script.yaml:1", "YAML"),
        ("greeting: hi", "script.yaml:1: rules", "required"),
        ("rules: []", "script.yaml:1: rules", "at least 1"),
        ("oops: 1\n" + RULES, "script.yaml:1: oops", "not permitted"),
        (RULES + "  oops: 1", "script.yaml:4: rules.0.oops", "not permitted"),
        (RULES + "- when: [x, '(a']\n  say: b", "script.yaml:4: rules.1.when", "not closed"),
        (RULES + "- say: b\n  in: nowhere\n  when: b", "script.yaml:5: rules.1.in", "nowhere"),
        (RULES + "- say: b", "script.yaml:4: rules.1", "'when' or 'dtmf'"),
        (RULES + "idle: 5", "script.yaml:4: idle", "list"),
        ("slots:\n  Day: [a]\n" + RULES, "script.yaml:2: slots.Day.[key]", "pattern"),
    ],
)
def test_errors_name_line_and_field(text: str, field: str, problem: str) -> None:
    with pytest.raises(InvalidField) as error:
        parse_script(text)
    assert error.value.field == field
    assert problem in error.value.message


@given(st.text(max_size=80))
def test_any_text_is_a_script_or_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        parse_script(text)


def test_yes_and_no_are_words() -> None:
    script = parse_script("rules:\n- when: [yes, no, on]\n  say: off\n  hangup: true\n")
    assert script.phrases() == ("yes", "no", "on")
    assert script.rules[0].say == ["off"]
    assert script.rules[0].hangup is True


def test_the_receptionist_is_bundled() -> None:
    assert "receptionist" in list_scripts()
    script = load_script("receptionist")
    assert script is load_script("receptionist")
    assert {"what are your opening hours", "i would like to make an appointment", "thank you goodbye"} <= set(
        script.phrases()
    )


@pytest.mark.parametrize("name", ["", "nobody", "../receptionist", "receptionist.yaml", "/etc/passwd", "Receptionist"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidField) as error:
        load_script(name)
    assert error.value.field == "engine_model"


def test_an_own_folder_comes_first(tmp_path: Path) -> None:
    (tmp_path / "receptionist.yaml").write_text(RULES)
    (tmp_path / "mine.yaml").write_text(RULES)
    assert load_script("receptionist", tmp_path).phrases() == ("hello",)
    assert load_script("mine", tmp_path).phrases() == ("hello",)
    assert len(load_script("receptionist").phrases()) > 10
    assert {"mine", "receptionist"} <= set(list_scripts(tmp_path))
    assert list_scripts(tmp_path / "none") == list_scripts()


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RULES)
    before = load_script("mine", tmp_path)
    path.write_text(RULES.replace("hello", "good morning"))
    os.utime(path, ns=(1, 1))
    assert before.phrases() == ("hello",)
    assert load_script("mine", tmp_path).phrases() == ("good morning",)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"#" * 1_000_001])
def test_files_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(InvalidField) as error:
        load_script("mine", tmp_path)
    assert error.value.field == "mine.yaml:1"
