"""The ``longhaul`` command: its commands, in the order in which help shows them."""

import sys
from typing import Final

import typer

from starter.cli import asking, chaining, chatting, deciding, finding, looking, services
from starter.cli.optional_values import with_values

app = typer.Typer(
    name="longhaul",
    help="Run agents that take minutes or hours: submitted once, watched through Temporal, never lost.",
    epilog="Exit codes: 0 done, 1 the run failed, 2 usage or setup, 3 Temporal cannot be used, "
    "4 not found, 5 still running. Answers go to standard output, progress to standard error.",
    no_args_is_help=True,
    # Plain help costs a third of the time, and plain errors are one line.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_PASSED_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For commands whose arguments another program reads, ``--help`` included."""


app.command()(asking.research)
app.command()(asking.ask)
app.command()(chatting.chat)
app.add_typer(chaining.app, name="chain")
app.command()(looking.status)
app.command()(looking.watch)
app.command()(looking.result)
app.command("list")(looking.list_)
app.command()(deciding.approve)
app.command()(deciding.deny)
app.command()(deciding.revise)
app.command()(deciding.cancel)
app.command()(deciding.resolve)
app.command()(finding.orphans)
app.command()(services.doctor)
for service in (services.dev, services.demo, services.worker, services.emulator):
    app.command(context_settings=_PASSED_ON, add_help_option=False)(service)


def main() -> None:
    """Run the command that was typed."""
    app(args=with_values(sys.argv[1:]))


if __name__ == "__main__":
    main()
