"""An answer alone, as programs and people at a shell want it."""

from typing import Final

from artifacts.store import ArtifactStore
from runs.messages import ArtifactRef
from starter import formats
from starter.errors import ExitCode, SetupError
from starter.files import REPORT, artifact_named, read_artifact, read_stored
from starter.output import Output
from starter.views import FinishedRun, RunView

_UNNAMED: Final = (REPORT, "interaction.json", "answer.md", "answer.json")
"""Files that hold what is printed, or what nobody but a program reads."""


async def print_answer(view: RunView, store: ArtifactStore, output: Output, *, is_told: bool = False) -> None:
    """Print a run's answer, and beside it what it cost and which other files there are.

    Args:
        view: Of the run, which has ended.
        store: Where it left its files.
        output: Where everything goes.
        is_told: The text itself was printed already, while it was written.

    Raises:
        SetupError: It is not where the run left it.
    """
    tell_of_shortcomings(view, output)
    text = None if is_told else await _text_of(view, store)
    if output.as_json:
        output.json(FinishedRun(**dict(view), text=text))
        return
    if text is not None:
        output.document(text)
    for ref in _other_files(view):
        output.say(f"{formats.one_line(ref.name)}: {formats.place(ref.uri)}")
    if used := formats.used(view):
        output.say(f"{view.run_id}: {used}")


async def print_text(view: RunView, store: ArtifactStore, output: Output) -> None:
    """Print the text of a run's answer, if it left one that can be read here, and nothing else."""
    try:
        text = await _text_of(view, store)
    except SetupError as error:
        output.say(f"note: {formats.one_line(str(error))}")
        return
    if text:
        output.document(text)


def tell_of_shortcomings(view: RunView, output: Output) -> None:
    """Say beside an answer why it is not the whole one; nothing if it is."""
    if view.exit_code is ExitCode.DONE and view.result is not None and view.result.error is None:
        return
    rows = dict(formats.summary(view))
    reason = rows.get("error") or rows.get("problem")
    output.say(f"longhaul: run {view.run_id}: {rows['phase']}" + (f": {reason}" if reason else ""))


async def _text_of(view: RunView, store: ArtifactStore) -> str | None:
    if view.result is None:
        return None
    if view.result.text_uri is not None:
        return (await read_stored(view.result.text_uri, store)).decode(errors="replace")
    if view.result.spent.interactions:
        return None
    # A run of a version that counted nothing, and kept no text beside its report.
    ref = artifact_named(view.result, REPORT)
    return None if ref is None else (await read_artifact(ref, store)).decode(errors="replace")


def _other_files(view: RunView) -> list[ArtifactRef]:
    artifacts = view.result.artifacts if view.result else ()
    return [ref for ref in artifacts if ref.name not in _UNNAMED]
