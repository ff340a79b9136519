import json

from bench.figures import Figures, Quantity
from bench.knee import Climb
from bench.report import STEP_HEADINGS, document, markdown, step_cells, table
from bench.scenario import System
from bench.steps import Noise, Step

MACHINE = {
    "cpu": "a cpu",
    "cores": 2,
    "server_core": 1,
    "python": "3.11",
    "packages": {"one": "1.0", "two": None},
}


def measured() -> tuple[Figures, dict[System, Climb]]:
    figures = Figures(remarks=["a remark"])
    figures.add(System.OURS, {Quantity("delay", "Delay"): 5.0})
    climb = Climb((1, 8))
    climb.add(Step(1, 9, v2v_p50_ms=270.0, v2v_p95_ms=300.4, noise=Noise(callers_pct=4.0, stand_ins_pct=3.0)))
    climb.add(Step(8, failed=8))
    climb.add(Step(8, failed=8))
    return figures, {System.OURS: climb}


def test_the_markdown_holds_figures_steps_plot_and_remarks() -> None:
    text = markdown(*measured(), MACHINE, plot="calls.svg")
    assert "| Delay, ms | n/a | 5 |  |" in text
    assert "### ours: 1 calls carried, 8 not: calls failed" in text
    assert "(calls.svg)" in text
    assert "- a remark" in text
    assert "one 1.0." in text
    rows = [line for line in text.splitlines() if line.startswith(("| 1 |", "| 8 |"))]
    assert {line.count("|") for line in rows} == {len(STEP_HEADINGS) + 1}


def test_without_steps_there_is_no_plot() -> None:
    assert "![" not in markdown(Figures(), {}, {**MACHINE, "server_core": None}, plot=None)


def test_a_steps_cells() -> None:
    cells = step_cells(Step(8, v2v_p50_ms=270.0, v2v_p95_ms=300.4, lateness_p99_ms=2.0, noise=Noise(foreign_pct=50.0)))
    assert len(cells) == len(STEP_HEADINGS)
    assert cells[0] == "8"
    assert cells[2] == "70 / 100"
    assert cells[4] == "n/a / 2.0"
    assert cells[-1] == "yes"


def test_the_document_is_json_and_has_every_repetition() -> None:
    made = json.loads(json.dumps(document(*measured(), MACHINE, duration_s=1.25, effort="quick")))
    assert made["knee"]["ours"]["broke_at"] == 8
    assert len(made["knee"]["ours"]["steps"]) == 2
    assert len(made["knee"]["ours"]["repetitions"]) == 3
    assert made["figures"][0]["ours"] == 5.0


def test_the_terminal_table_has_a_row_for_each_figure() -> None:
    assert table(measured()[0]).row_count == 1
