"""``longhaul chat``."""

import asyncio
import sys
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from runs.conversation import ConversationRequest
from runs.limits import MAX_SYSTEM_INSTRUCTION_BYTES
from runs.messages import DEFAULT_MODEL
from starter import formats
from starter.arguments import parse_deadline_s, parse_duration_s, parse_run_id, read_text_or_file
from starter.attachments import read_attachments
from starter.commands.chat_reading import (
    HELP,
    Command,
    LineReader,
    Reader,
    TerminalReader,
    Typed,
    parse_entry,
)
from starter.commands.chat_session import Session
from starter.commands.chat_showing import Display
from starter.commands.setup import load_settings
from starter.conversations import following_up, list_conversations, new_conversation_id
from starter.errors import ConversationClosed, ExitCode, InvalidInput, RunStillRunning, TemporalUnreachable
from starter.files import open_store
from starter.output import Output
from starter.requests import objection
from starter.temporal import connect
from starter.tool_arguments import parse_tools
from starter.views import ConversationList, ConversationRow

_HISTORY_FILE: Final = "chat-history"


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """The command's arguments as they were typed."""

    conversation_id: str | None = None
    from_run_id: str | None = None
    model: str | None = None
    agent: str | None = None
    system: str | None = None
    tools: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    idle: str | None = None
    deadline: str | None = None
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    max_interactions: int | None = None
    labels: tuple[str, ...] = ()
    tenant: str | None = None
    is_listing: bool = False
    limit: int = 20


async def chat(options: ChatOptions, *, output: Output) -> ExitCode:
    """Hold a conversation, a new one or one that is open, until whoever holds it leaves or closes it."""
    if options.is_listing:
        return await _list(options, output=output)
    if output.as_json:
        raise InvalidInput("--json goes with --list; on a pipe, a chat prints the answers alone")
    request = None if options.conversation_id is not None else _request_of(options)
    conversation_id = _conversation_id_of(options)
    attachments = read_attachments(list(options.attachments))
    settings = load_settings()
    store = open_store(settings.artifacts_url)
    client = await connect()
    if request is not None and options.from_run_id is not None:
        request = await following_up(client, request, parse_run_id(options.from_run_id))
    reader: Reader = TerminalReader(settings.home / _HISTORY_FILE) if output.is_interactive else LineReader()
    session = Session(
        client,
        conversation_id,
        request=request,
        task_queue=settings.task_queue,
        display=Display(output, store),
    )
    session.attach(attachments)
    return await _converse(session, reader, output=output)


async def _converse(session: Session, reader: Reader, *, output: Output) -> ExitCode:
    try:
        await session.greet()
        ending = await _talk(session, reader, output=output)
        if ending is Command.CLOSE and session.is_started:
            await session.close()
            return _code_of(session)
    except asyncio.CancelledError:
        # Ctrl-C while a message is answered: the conversation is Temporal's, and goes on.
        output.say("")
    if session.is_started:
        output.say(f"Left open; come back with: longhaul chat {session.conversation_id}")
    else:
        output.say("Nothing was said, so nothing was started.")
    return _code_of(session)


def _code_of(session: Session) -> ExitCode:
    return ExitCode.RUN_FAILED if session.has_failed else ExitCode.DONE


async def _talk(session: Session, reader: Reader, *, output: Output) -> Command:
    """Return how the talk ended: `Command.LEAVE` or `Command.CLOSE`."""
    while True:
        entry = await reader.read(prompt=session.prompt)
        if isinstance(entry, Command):
            return entry
        try:
            typed = parse_entry(entry)
            if typed.command in (Command.LEAVE, Command.CLOSE):
                return typed.command
            await _do(session, typed, output=output)
        except ConversationClosed:
            raise
        except (InvalidInput, RunStillRunning, TemporalUnreachable) as error:
            if not output.is_interactive:
                # Nobody is there to correct it, and the lines that follow may build on it.
                raise
            output.say(f"longhaul: {formats.one_line(str(error), max_chars=1_000)}")


async def _do(session: Session, typed: Typed, *, output: Output) -> None:
    match typed.command:
        case None:
            if typed.text:
                await session.say(typed.text)
        case Command.HELP:
            output.say(HELP)
        case Command.ATTACH:
            session.attach(read_attachments([typed.argument]))
        case Command.TURNS | Command.COST:
            await session.show(typed.command)
        case Command.LEAVE | Command.CLOSE:
            raise AssertionError("ends the talk")


def _conversation_id_of(options: ChatOptions) -> str:
    if options.conversation_id is None:
        return new_conversation_id()
    for option, value in (
        ("--from", options.from_run_id),
        ("--model", options.model),
        ("--agent", options.agent),
        ("--system", options.system),
        ("--tool", options.tools),
        ("--idle", options.idle),
        ("--deadline", options.deadline),
        ("--max-cost-usd", options.max_cost_usd),
        ("--max-tokens", options.max_tokens),
        ("--max-interactions", options.max_interactions),
        ("--label", options.labels),
        ("--tenant", options.tenant),
    ):
        if value:
            raise InvalidInput(
                f"{option} goes with a new conversation; {options.conversation_id} has its own"
            )
    return parse_run_id(options.conversation_id)


def _request_of(options: ChatOptions) -> ConversationRequest:
    model = DEFAULT_MODEL if options.model is None and options.agent is None else options.model
    budget = {
        name: bound
        for name, bound in (
            ("max_cost_usd", options.max_cost_usd),
            ("max_tokens", options.max_tokens),
            ("max_interactions", options.max_interactions),
        )
        if bound is not None
    }
    fields: dict[str, object] = {
        "model": model,
        "agent": options.agent,
        "tools": parse_tools(options.tools),
        "budget": budget or None,
        "labels": options.labels,
        "tenant": options.tenant,
        "deadline_s": parse_deadline_s(options.deadline),
    }
    if options.system is not None:
        fields["system_instruction"] = read_text_or_file(
            options.system, what="--system", max_bytes=MAX_SYSTEM_INSTRUCTION_BYTES
        )
    if options.idle is not None:
        fields["idle_timeout_s"] = parse_duration_s(options.idle, what="--idle")
    try:
        return ConversationRequest.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(objection(error)) from error


async def _list(options: ChatOptions, *, output: Output) -> ExitCode:
    rows = await list_conversations(await connect(), limit=options.limit)
    if output.as_json:
        output.json(ConversationList(conversations=tuple(rows)))
    elif not rows:
        output.say("No conversations.")
    for row in () if output.as_json else rows:
        output.line(_row_line(row))
    return ExitCode.DONE


def _row_line(row: ConversationRow) -> str:
    subject = formats.one_line(row.subject or "", max_chars=60)
    cells = (
        row.conversation_id,
        f"{row.phase.value}, paused" if row.is_paused else row.phase.value,
        formats.clock(row.started_at),
        formats.one_line(row.target or "?", max_chars=40),
        formats.cost(row.cost_usd),
        subject,
    )
    # Columns for people, tabs for programs.
    return "  ".join(cells) if sys.stdout.isatty() else "\t".join(cells)
