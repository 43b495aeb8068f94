"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
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
