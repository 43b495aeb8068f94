"""``longhaul chat``."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from typing import Annotated

import typer

from starter.cli.options import (
    AsJson,
    Attach,
    Deadline,
    Labels,
    MaxCostUsd,
    MaxInteractions,
    MaxTokens,
    Tenant,
    Tools,
)


def chat(  # noqa: PLR0913 - one parameter per option is typer's way
    conversation_id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A conversation to come back to.", show_default=False),
    ] = None,
    *,
    from_run_id: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="A finished run to talk about.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Default: gemini-3.8-flash.", show_default=False)
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(metavar="AGENT", help="Talk to an agent instead of a model.", show_default=False),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT|@FILE", help="How the model is to behave.", show_default=False),
    ] = None,
    tool: Tools = None,
    attach: Attach = None,
    idle: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Close the conversation when nobody wrote for so long. Default: 24h.",
            show_default=False,
        ),
    ] = None,
    deadline: Deadline = None,
    max_cost_usd: MaxCostUsd = None,
    max_tokens: MaxTokens = None,
    max_interactions: MaxInteractions = None,
    label: Labels = None,
    tenant: Tenant = None,
    is_listing: Annotated[bool, typer.Option("--list", help="List conversations instead.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Talk to a model or an agent, for as long as you like; come back whenever you like.

    On a pipe each line is a message. Ctrl-C leaves a conversation open, Ctrl-D closes it.
    """
    from starter.commands.chat import ChatOptions
    from starter.commands.chat import chat as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    options = ChatOptions(
        conversation_id=conversation_id,
        from_run_id=from_run_id,
        model=model,
        agent=agent,
        system=system,
        tools=tuple(tool or ()),
        attachments=tuple(attach or ()),
        idle=idle,
        deadline=deadline,
        max_cost_usd=max_cost_usd,
        max_tokens=max_tokens,
        max_interactions=max_interactions,
        labels=tuple(label or ()),
        tenant=tenant,
        is_listing=is_listing,
        limit=limit,
    )
    output = Output(as_json=as_json)
    run_to_exit(run(options, output=output), output=output)
