"""``longhaul research`` and ``ask``: what starts a run."""
# ruff: noqa: PLC0415 - Temporal's library takes a second to load, which `longhaul --help` need not wait for.

from pathlib import Path
from typing import Annotated

import typer

from starter.cli.options import (
    Again,
    AsJson,
    Attach,
    Continues,
    Deadline,
    Labels,
    MaxCostUsd,
    MaxInteractions,
    MaxTokens,
    NewRunId,
    NoWait,
    OnUnknown,
    Out,
    Stream,
    Tenant,
    Tools,
    WaitTimeout,
)


def research(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    question: Annotated[
        str, typer.Argument(help="What to find out; - reads it from standard input.", show_default=False)
    ],
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Another agent's id.", show_default=False)
    ] = None,
    is_max: Annotated[
        bool, typer.Option("--max", help="Use the Deep Research Max agent: more thorough, slower, dearer.")
    ] = False,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="[ask|auto]",
            help="Begin with a plan: wait for your approval (ask), or only give you time to object (auto).",
            show_default=False,
        ),
    ] = None,
    plan_grace: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long --plan auto gives you. Default: 60s.", show_default=False
        ),
    ] = None,
    plan_expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="How long --plan ask waits for you. Default: 24h.", show_default=False
        ),
    ] = None,
    attach: Attach = None,
    tool: Tools = None,
    continues: Continues = None,
    max_cost_usd: MaxCostUsd = None,
    max_tokens: MaxTokens = None,
    max_interactions: MaxInteractions = None,
    deadline: Deadline = None,
    run_id: NewRunId = None,
    again: Again = False,
    label: Labels = None,
    tenant: Tenant = None,
    on_unknown: OnUnknown = None,
    stream: Stream = False,
    no_wait: NoWait = False,
    wait_timeout: WaitTimeout = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Start a run, show its progress, and say where the report is.

    Ctrl-C detaches; the run goes on. `longhaul watch ID` comes back to it.
    """
    from starter.commands.research import ResearchOptions
    from starter.commands.research import research as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    options = ResearchOptions(
        question=question,
        agent=agent,
        is_max=is_max,
        plan=plan,
        plan_grace=plan_grace,
        plan_expires=plan_expires,
        attachments=tuple(attach or ()),
        tools=tuple(tool or ()),
        continues=continues,
        max_cost_usd=max_cost_usd,
        max_tokens=max_tokens,
        max_interactions=max_interactions,
        deadline=deadline,
        run_id=run_id,
        is_again=again,
        labels=tuple(label or ()),
        tenant=tenant,
        on_unknown=on_unknown,
        is_streamed=stream,
        is_waiting=not no_wait,
        wait_timeout=wait_timeout,
        out=out,
    )
    output = Output(as_json=as_json)
    run_to_exit(run(options, output=output), output=output)


def ask(  # noqa: PLR0913 - one parameter per option is typer's way
    *,
    prompt: Annotated[
        str, typer.Argument(help="What to ask; - reads it from standard input.", show_default=False)
    ],
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Default: gemini-3.8-flash.", show_default=False),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT|@FILE", help="How the model is to behave.", show_default=False),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answer with JSON that follows this schema.", show_default=False),
    ] = None,
    is_text: Annotated[bool, typer.Option("--text", help="Answer with text, too.")] = False,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="[16:9]", help="Answer with an image, of this shape if given.", show_default=False
        ),
    ] = None,
    image_size: Annotated[
        str | None, typer.Option(metavar="512|1K|2K|4K", help="The image's size.", show_default=False)
    ] = None,
    speech: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]VOICE",
            help="Answer with speech in this voice, such as Kore; repeated, by NAME, for several speakers.",
            show_default=False,
        ),
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(
            metavar="[16:9]", help="Answer with a video, of this shape if given.", show_default=False
        ),
    ] = None,
    video_resolution: Annotated[
        str | None,
        typer.Option(metavar="360p|720p|1080p|4k", help="The video's resolution.", show_default=False),
    ] = None,
    thinking: Annotated[
        str | None,
        typer.Option(metavar="minimal|low|medium|high|xhigh", help="How long to think.", show_default=False),
    ] = None,
    no_thoughts: Annotated[
        bool, typer.Option("--no-thoughts", help="Show nothing of what the model thinks.")
    ] = False,
    max_output_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Stop the answer after this many.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="For answers that resemble each other.", show_default=False),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="Stop the answer at this text; may be repeated.", show_default=False
        ),
    ] = None,
    attach: Attach = None,
    tool: Tools = None,
    tool_choice: Annotated[
        str | None,
        typer.Option(
            metavar="auto|any|none|validated",
            help="Whether tools may, must or must not be used.",
            show_default=False,
        ),
    ] = None,
    max_rounds: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Rounds of function calls at the most. Default: 25.", show_default=False
        ),
    ] = None,
    approval_expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long a call that needs approval waits for you. Default: 24h.",
            show_default=False,
        ),
    ] = None,
    continues: Continues = None,
    service_tier: Annotated[
        str | None,
        typer.Option(
            metavar="flex|standard|priority|deferred",
            help="Cheaper and later, or dearer and sooner.",
            show_default=False,
        ),
    ] = None,
    is_background: Annotated[
        bool | None,
        typer.Option(
            "--background/--foreground",
            help="Let the API work without a connection, or hold one. Default: as the model allows.",
            show_default=False,
        ),
    ] = None,
    max_cost_usd: MaxCostUsd = None,
    max_tokens: MaxTokens = None,
    max_interactions: MaxInteractions = None,
    deadline: Deadline = None,
    run_id: NewRunId = None,
    again: Again = False,
    label: Labels = None,
    tenant: Tenant = None,
    on_unknown: OnUnknown = None,
    stream: Stream = False,
    no_wait: NoWait = False,
    wait_timeout: WaitTimeout = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Ask a model, and print its answer.

    Ctrl-C detaches; the run goes on. `longhaul watch ID` comes back to it.
    """
    from starter.commands.asking import AskOptions
    from starter.commands.asking import ask as run
    from starter.exiting import run_to_exit
    from starter.output import Output

    options = AskOptions(
        prompt=prompt,
        model=model,
        system=system,
        schema=schema,
        is_text=is_text,
        image=image,
        image_size=image_size,
        speech=tuple(speech or ()),
        video=video,
        video_resolution=video_resolution,
        thinking=thinking,
        is_showing_thoughts=not no_thoughts,
        max_output_tokens=max_output_tokens,
        seed=seed,
        stop=tuple(stop or ()),
        attachments=tuple(attach or ()),
        tools=tuple(tool or ()),
        tool_choice=tool_choice,
        max_rounds=max_rounds,
        approval_expires=approval_expires,
        continues=continues,
        service_tier=service_tier,
        is_background=is_background,
        max_cost_usd=max_cost_usd,
        max_tokens=max_tokens,
        max_interactions=max_interactions,
        deadline=deadline,
        run_id=run_id,
        is_again=again,
        labels=tuple(label or ()),
        tenant=tenant,
        on_unknown=on_unknown,
        is_streamed=stream,
        is_waiting=not no_wait,
        wait_timeout=wait_timeout,
        out=out,
    )
    output = Output(as_json=as_json)
    run_to_exit(run(options, output=output), output=output)
