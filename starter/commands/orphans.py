"""``longhaul orphans``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from interactions.client import InteractionsClient
from interactions.config import ApiConfig
from settings import Settings, SettingsError
from starter import formats
from starter.commands.setup import load_settings
from starter.errors import ExitCode, InvalidInput, SetupError
from starter.files import open_store
from starter.orphans import ask_api, find_orphans, stop_orphans
from starter.output import Output
from starter.prompting import ask_line
from starter.temporal import connect
from starter.views import AtApi, Orphan, OrphanList


@dataclass(frozen=True, kw_only=True)
class OrphansOptions:
    """The arguments of ``longhaul orphans``, as they were typed."""

    is_cancelling: bool = False
    is_sure: bool = False
    is_store_searched: bool = False
    closed_before: str | None = None
    limit: int


async def orphans(options: OrphansOptions, *, output: Output) -> ExitCode:
    """Say what may be running at the API that no run watches, and cancel it if wanted."""
    closed_before = _parse_moment(options.closed_before)
    settings = load_settings()
    api = _api(settings, options, output=output)
    store = open_store(settings.artifacts_url)
    client = await connect()
    found = await find_orphans(
        client,
        limit=options.limit,
        closed_before=closed_before,
        store=store,
        is_store_searched=options.is_store_searched,
    )
    known: Sequence[Orphan] = found.orphans
    if api is not None and known:
        async with InteractionsClient(api) as interactions:
            known = await ask_api(interactions, known)
            if options.is_cancelling and await _may_cancel(known, options, output=output):
                known = await stop_orphans(interactions, known)
    for note in found.notes:
        output.say(f"note: {formats.one_line(note)}")
    running = sum(orphan.at_api is AtApi.RUNNING for orphan in known)
    if known or output.as_json:
        output.orphans(OrphanList(orphans=tuple(known), running=running, notes=tuple(found.notes)))
    else:
        output.say("Nothing found.")
    if running and not options.is_cancelling:
        output.say(f"{formats.count(running, 'interaction')} running; longhaul orphans --cancel stops them")
    return ExitCode.RUN_FAILED if any(each.was_stopped is False for each in known) else ExitCode.DONE


def _api(settings: Settings, options: OrphansOptions, *, output: Output) -> ApiConfig | None:
    """Return where the API is; None after saying why it cannot be asked.

    Raises:
        SetupError: It is needed, to cancel.
    """
    try:
        return settings.api_config()
    except SettingsError as error:
        if options.is_cancelling:
            raise SetupError(f"--cancel needs the API's key here: {error}") from error
        output.say(f"note: listed without asking the API, whose key is not set here ({error})")
        return None


async def _may_cancel(orphans: Sequence[Orphan], options: OrphansOptions, *, output: Output) -> bool:
    running = [orphan for orphan in orphans if orphan.at_api is AtApi.RUNNING]
    if not running or options.is_sure or not output.is_interactive:
        return bool(running)
    for orphan in running:
        output.say(f"{formats.one_line(orphan.interaction_id or '')}  of run {orphan.run_id}")
    asked = f"Cancel {formats.count(len(running), 'interaction')}? [y]es, [n]o: "
    return (await ask_line(asked)).lower() in {"y", "yes"}


def _parse_moment(typed: str | None) -> datetime | None:
    if typed is None:
        return None
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise InvalidInput(
            f"--closed-before {typed!r}: not a time such as 2026-11-22T10:00:00+00:00"
        ) from None
    return moment.astimezone()
