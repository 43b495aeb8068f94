import json

import pytest

from runs.phase import Phase
from starter.errors import RunNotFound
from starter.output import Output
from starter.views import RunRow
from tests.unit.starter.sample import REQUESTED_AT, result, view


def row(**changes: object) -> RunRow:
    """A run as a list shows it."""
    fields = {
        "run_id": "tides",
        "phase": Phase.FAILED,
        "requested_at": REQUESTED_AT,
        "ended_at": REQUESTED_AT,
    }
    return RunRow.model_validate({**fields, **changes})


def test_a_program_reads_lines_of_tab_separated_cells(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, a list has one line per run with as many cells as the head, however odd the question."""
    Output(as_json=False).runs([row(question="a\tb\nc", tokens=1_234, cost_usd=0.5), row()])
    lines = capsys.readouterr().out.splitlines()
    assert len({line.count("\t") for line in lines}) == 1
    assert lines[1].split("\t")[6:] == ["1,234", "$0.50", "a b"]
    assert lines[2].split("\t")[6:] == ["-", "-", "-"]


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """A bidi override or an escape in a question reaches a terminal only as its number."""
    Output(as_json=True).run(view(question="Zürich \u202e\x1b[31m"))
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out)["question"] == "Zürich \u202e\x1b[31m"


def test_json_says_everything_a_view_knows(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs find the phase, the result and its files under their documented names."""
    Output(as_json=True).run(view(Phase.COMPLETED, result=result()))
    answer = json.loads(capsys.readouterr().out)
    assert answer["phase"] == "completed"
    assert answer["result"]["artifacts"][0]["name"] == "report.md"


def test_a_problem_is_one_line_and_for_programs_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a message holds, it is told in one line; with --json standard output says it, too."""
    Output(as_json=True).problem(RunNotFound("no run\x1b[2J 'x'"))
    told = capsys.readouterr()
    assert told.err == "longhaul: no run 'x'\n"
    assert json.loads(told.out) == {"error": {"kind": "not_found", "message": "no run 'x'", "exit_code": 4}}


def test_an_answer_in_a_pipe_is_lines_of_name_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there are no borders and no colours."""
    Output(as_json=False).run(view(Phase.COMPLETED, result=result()))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "report.md: /my files/report.md\n" in out
    assert out.startswith("run: research-tides-abc\nphase: completed\n")


def test_a_summary_beside_an_answer_leaves_standard_output_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the answer was streamed, how the run went is told on standard error."""
    Output(as_json=False).run(view(Phase.COMPLETED, result=result()), is_beside=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("run: research-tides-abc\nphase: completed\n")
    assert "report.md: /my files/report.md\n" in told.err
