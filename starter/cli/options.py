"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from runs.phase import UnknownPolicy

RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream",
        help="Print the answer while it is written; thoughts, tools and the summary go to standard error.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Copy the run's files into this folder.", show_default=False),
]
WaitTimeout = Annotated[
    str | None,
    typer.Option(
        "--wait-timeout",
        metavar="TIME",
        help="Stop waiting after this time, such as 10m; the run goes on.",
        show_default=False,
    ),
]

# Of the commands that start runs.
NewRunId = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="ID",
        help="The run's id. The same id again attaches to the run instead of starting a second one.",
        show_default=False,
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="With --id: start another, and pay for it, if what has this id has failed, was cancelled or was "
        "ended from outside. Never beside one that goes on.",
    ),
]
Attach = Annotated[
    list[str] | None,
    typer.Option(
        "--attach",
        metavar="FILE|URL",
        help="Something to read, look at or listen to; may be repeated.",
        show_default=False,
    ),
]
Tools = Annotated[
    list[str] | None,
    typer.Option(
        "--tool",
        metavar="TOOL",
        help="A tool to use, such as google_search, code_execution, file_search:STORE, mcp:NAME=URL or the "
        "name of a function that the workers have; may be repeated.",
        show_default=False,
    ),
]
Continues = Annotated[
    str | None,
    typer.Option(
        "--continues", metavar="ID", help="A run whose answer this one follows up.", show_default=False
    ),
]
MaxCostUsd = Annotated[
    float | None,
    typer.Option(
        "--max-cost-usd",
        metavar="USD",
        help="Begin nothing more once about this much was spent.",
        show_default=False,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens",
        metavar="N",
        help="Begin nothing more once this many tokens were used.",
        show_default=False,
    ),
]
MaxInteractions = Annotated[
    int | None,
    typer.Option(
        "--max-interactions",
        metavar="N",
        help="Begin nothing more after this many interactions.",
        show_default=False,
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline",
        metavar="TIME",
        help="Stop the run after this time, such as 90m. Default: 75m.",
        show_default=False,
    ),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Start the run, print its id and leave.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="WORD",
        help="A word to find the run by; may be repeated. Not encrypted: no personal data.",
        show_default=False,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option("--tenant", metavar="NAME", help="Whose run it is.", show_default=False),
]
OnUnknown = Annotated[
    UnknownPolicy | None,
    typer.Option(
        "--on-unknown",
        help="When the answer to the submission is lost: wait for news or for you (agents' default), send "
        "again and perhaps pay twice (models' default), or fail.",
        show_default=False,
    ),
]
