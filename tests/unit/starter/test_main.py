import json
import subprocess
import sys
from typing import Final, NamedTuple, get_args

from runs.generation import ImageSize, ServiceTier, ThinkingLevel, ToolChoice, VideoOutput
from runs.messages import DEFAULT_MODEL

COMMANDS = (
    "research",
    "ask",
    "status",
    "watch",
    "result",
    "list",
    "approve",
    "deny",
    "revise",
    "cancel",
    "resolve",
    "orphans",
    "doctor",
    "dev",
    "demo",
    "worker",
    "emulator",
)


PROGRAM: Final = """
import json, os, sys, tempfile
import starter.commands.asking, starter.commands.research, starter.commands.looking, starter.commands.results
import starter.commands.approving, starter.commands.doctor
from starter.main import main
ended = []
for arguments in json.load(sys.stdin):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if (child := os.fork()) == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            sys.argv = ["longhaul", *arguments]
            main()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [os.pread(file.fileno(), 100_000, 0).decode() for file in (out, err)]
    ended.append([code, *texts])
print(json.dumps(ended))
"""
"""Runs many commands, each in a fork of a process that has loaded everything: loading takes a second."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def longhaul(*commands: tuple[str, ...]) -> dict[tuple[str, ...], Ended]:
    """Run commands with an address where no Temporal is, and say how each ended."""
    environ = {"TEMPORAL_ADDRESS": "127.0.0.1:1", "COLUMNS": "100", "TEMPORAL_CONFIG_FILE": "/dev/null"}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(commands),
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=True,
    )
    return {command: Ended(*ended) for command, ended in zip(commands, json.loads(ran.stdout), strict=True)}


def test_help_names_every_command() -> None:
    """What can be done is found without reading a manual, exit codes included."""
    [helped] = longhaul(("--help",)).values()
    assert helped.code == 0
    assert all(f"  {name} " in helped.out for name in COMMANDS)
    assert "5 still running" in helped.out


def test_help_does_not_load_what_only_commands_need() -> None:
    """Help comes at once: none of the libraries that take their time are imported for it."""
    program = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from starter.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'temporalio', 'pydantic', 'rich', 'obstore', 'httpx2', 'asyncio'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_every_command_has_help() -> None:
    """Each command says what it does, and those with an answer have it in JSON."""
    answering = (
        "research",
        "ask",
        "approve",
        "deny",
        "revise",
        "status",
        "watch",
        "result",
        "list",
        "cancel",
        "orphans",
        "doctor",
    )
    for (command, _), helped in longhaul(*((name, "--help") for name in (*answering, "dev"))).items():
        assert helped.code == 0, command
        assert command == "dev" or "--json" in helped.out, command


BAD: Final = (
    ("research",),
    ("research", ""),
    ("research", "q", "--id", "a b"),
    ("research", "q", "--deadline", "soon"),
    ("research", "q", "--wait-timeout", "soon"),
    ("research", "q", "--attach", "/nowhere.pdf"),
    ("research", "q", "--max", "--agent", "a"),
    ("research", "q", "--agent", ""),
    ("research", "q", "--label", ""),
    ("research", "q", "--label", "x" * 101),
    ("research", "q", "--tenant", ""),
    ("research", "q", "--out", "/dev/null/x"),
    ("research", "q", "--no-such-option"),
    ("research", "q", "--plan", "--plan-grace", "1m"),
    ("research", "q", "--tool", "weather"),
    ("research", "q", "--tool", "the weather"),
    ("research", "q", "--continues", "a b"),
    ("research", "q", "--max-cost-usd", "-1"),
    ("ask",),
    ("ask", ""),
    ("ask", "q", "--model", ""),
    ("ask", "q", "--thinking", "hard"),
    ("ask", "q", "--max-output-tokens", "0"),
    ("ask", "q", "--tool-choice", "perhaps"),
    ("ask", "q", "--schema", "/nowhere.json"),
    ("ask", "q", "--image", "7:1"),
    ("ask", "q", "--image-size", "2K"),
    ("ask", "q", "--speech", "="),
    ("ask", "q", "--service-tier", "cheap"),
    ("ask", "q", "--tool", "file_search:a", "--tool", "google_search"),
    ("ask", "q", "--max-tokens", "none"),
    ("approve", "../x"),
    ("approve", "x", "--note", "x" * 16_001),
    ("deny", "x"),
    ("deny", "x", "--reason", " "),
    ("revise", "x"),
    ("revise", "x", ""),
    ("revise", "x", "x" * 16_001),
    ("research", "q", "--stream", "--no-wait"),
    ("status", "../x"),
    ("watch", ""),
    ("result", "a/b"),
    ("cancel", "x", "--wait-timeout", "never"),
    ("resolve", "x"),
    ("resolve", "x", "--adopt", ""),
    ("resolve", "x", "--resubmit", "--give-up"),
    ("list", "--phase", "odd"),
    ("list", "--limit", "0"),
    ("nothing",),
)


def test_what_cannot_be_meant_is_refused_before_anything_is_started() -> None:
    """Bad input ends with the code for usage and a line, without Temporal having been asked."""
    for command, refused in longhaul(*BAD).items():
        assert refused.code == 2, command
        # With --json the refusal is the answer.
        assert ("--json" in command) is bool(refused.out), command
        assert refused.err.strip(), command
        assert "Traceback" not in refused.err, command
        assert "Temporal" not in refused.err, command


def test_without_temporal_every_command_says_where_it_looked() -> None:
    """Nobody at the address: one line with the address and what to do, and the exit code for it."""
    asking = (("research", "q"), ("ask", "q"), ("status", "x"), ("watch", "x"), ("result", "x"), ("list",))
    deciding = (("approve", "x"), ("deny", "x", "--reason", "r"), ("revise", "x", "f"), ("cancel", "x"))
    for command, refused in longhaul(*asking, *deciding).items():
        assert (refused.code, refused.out) == (3, ""), command
        assert refused.err == (
            "longhaul: cannot reach Temporal at 127.0.0.1:1: connection refused; "
            "start everything on this machine with `longhaul dev`, or set TEMPORAL_ADDRESS\n"
        ), command


def test_what_an_option_can_be_is_what_the_contract_takes() -> None:
    """Help is loaded without the models that check it, so its words are held to theirs here."""
    [helped] = longhaul(("ask", "--help")).values()
    for words in (ThinkingLevel, ToolChoice, ServiceTier, ImageSize):
        assert f" {'|'.join(get_args(words))} " in helped.out.replace("\n", " ")
    resolutions = get_args(get_args(VideoOutput.model_fields["resolution"].annotation)[0])
    assert f" {'|'.join(resolutions)} " in helped.out.replace("\n", " ")
    assert f"Default: {DEFAULT_MODEL}." in helped.out
