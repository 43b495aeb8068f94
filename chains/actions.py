"""What a step asks the world to do, with its templates filled in.

Workflow code: see docs/changing.md.
"""

import json
from dataclasses import dataclass
from typing import Final, TypeAlias

from pydantic import JsonValue, ValidationError

from chains.errors import RenderError
from chains.limits import MAX_INLINE_BYTES
from chains.spec import Ask, CallFunction, Join, Research, seconds_of
from chains.templates import LongText, Quotes, Scope, plain, render_json, render_text, whole
from runs import limits as run_limits
from runs.budget import Budget
from runs.generation import AudioOutput, Generation, Output, Outputs, TextOutput
from runs.limits import DEFAULT_DEADLINE_S
from runs.messages import AgentRunRequest, ArtifactRef, Attachment, Label, Quote
from runs.pacing import Pacing


@dataclass(frozen=True)
class StartRun:
    """Start a run, and wait for its end."""

    request: AgentRunRequest


@dataclass(frozen=True)
class CallTool:
    """Call a function that the workers have.

    Attributes:
        name: The function's.
        arguments: With placeholders where long texts belong.
        quotes: The long texts.
    """

    name: str
    arguments: dict[str, JsonValue]
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True)
class StoreText:
    """Put long texts into a text, and store it, unless that can be spared.

    Attributes:
        text: With placeholders where long texts belong.
        quotes: The long texts.
    """

    text: str
    quotes: tuple[Quote, ...] = ()

    @property
    def is_short(self) -> bool:
        """Whether it is all there, and short enough to be kept as it is."""
        return not self.quotes and len(self.text.encode(errors="replace")) <= MAX_INLINE_BYTES

    @property
    def stored_at(self) -> str | None:
        """Where the same text is stored already; None where it is not."""
        is_one = len(self.quotes) == 1 and self.text == self.quotes[0].placeholder
        return self.quotes[0].uri if is_one else None


Action: TypeAlias = StartRun | CallTool | StoreText


@dataclass(frozen=True)
class Common:
    """What all runs of a chain have in common."""

    labels: tuple[Label, ...] = ()
    tenant: str | None = None
    pacing: Pacing | None = None


NOTHING_IN_COMMON: Final = Common()


def request_for(
    action: Research | Ask,
    scope: Scope,
    *,
    previous_interaction_id: str | None = None,
    budget: Budget | None = None,
    common: Common = NOTHING_IN_COMMON,
) -> AgentRunRequest:
    """Return the request of the run that does ``action``.

    Raises:
        RenderError: A template cannot be filled in, or what it gives is no request.
        TemplateError: A template is not well formed.
    """
    quotes = Quotes()
    prompt = render_text(action.prompt, scope, quotes)
    instruction = action.system_instruction
    if instruction is not None:
        in_instruction = Quotes()
        instruction = render_text(instruction, scope, in_instruction)
        if in_instruction.taken():
            raise RenderError("a system instruction takes no long text; put it into the prompt")
    try:
        left_by_steps = [
            _left_by_step(attached, scope, number=number) for number, attached in _numbered(action)
        ]
        attachments = [
            left or _given(attached, scope, number=number)
            for left, (number, attached) in zip(left_by_steps, _numbered(action), strict=True)
        ]
        # What the chain's own steps left, and nothing that its author names.
        may_read = [quote.uri for quote in quotes.taken()] + [left.uri for left in left_by_steps if left]
        request = AgentRunRequest(
            agent=action.agent if isinstance(action, Research) else None,
            model=action.model if isinstance(action, Ask) else None,
            input=prompt,
            quotes=quotes.taken(),
            attachments=tuple(attachments),
            system_instruction=instruction,
            generation=_generation_of(action),
            outputs=_outputs_of(action),
            tools=action.tools,
            previous_interaction_id=previous_interaction_id,
            budget=budget,
            visualization=not isinstance(action, Research) or action.visualization,
            labels=common.labels,
            tenant=common.tenant,
            deadline_s=DEFAULT_DEADLINE_S if action.deadline is None else seconds_of(action.deadline),
            pacing=common.pacing,
            may_read=tuple(dict.fromkeys(may_read)),
        )
    except ValidationError as error:
        raise RenderError(_reason(error)) from None
    return request


def _reason(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    reason = first["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in first["loc"])
    if where == "quotes":
        return f"more than {run_limits.MAX_QUOTES} long texts; put them together in a join step first"
    return f"{where}: {reason}" if where else reason


def _generation_of(action: Research | Ask) -> Generation | None:
    if isinstance(action, Research) or (action.thinking_level is None and action.max_output_tokens is None):
        return None
    return Generation(thinking_level=action.thinking_level, max_output_tokens=action.max_output_tokens)


def _outputs_of(action: Research | Ask) -> Outputs:
    forms: list[Output] = []
    if isinstance(action, Ask):
        if action.json_schema is not None:
            forms.append(TextOutput(json_schema=action.json_schema))
        if action.image is not None:
            forms.append(action.image)
        if action.speech is not None:
            forms.append(AudioOutput(speakers=action.speech))
    return Outputs(forms=tuple(forms))


def _numbered(action: Research | Ask) -> list[tuple[int, str | Attachment]]:
    return list(enumerate(action.attach, start=1))


def _left_by_step(attached: str | Attachment, scope: Scope, *, number: int) -> Attachment | None:
    """Return the file of a step that ``attached`` refers to; None if it is something else."""
    reference = whole(attached) if isinstance(attached, str) else None
    match None if reference is None else scope.value_of(reference):
        case LongText(uri=uri):
            return Attachment(uri=uri, media_type="text/markdown", name=f"attachment-{number}.md")
        case ArtifactRef() as ref:
            return Attachment(
                uri=ref.uri, media_type=ref.media_type, name=ref.name, size_bytes=ref.size_bytes
            )
        case _:
            return None


def _given(attached: str | Attachment, scope: Scope, *, number: int) -> Attachment:
    """Return what is attached by its address."""
    if isinstance(attached, Attachment):
        return attached
    uri = render_text(attached, scope, Quotes())
    # Only these: the address of a file in the artifact store is taken from the step that left it, and not
    # from a text, which a model may have written.
    if not uri.startswith(("https://", "gs://")):
        raise RenderError(f"{uri[:80]!r} is nothing to attach; give an address like https://… or gs://…")
    name = uri.partition("?")[0].rstrip("/").rpartition("/")[2][-100:] or f"attachment-{number}"
    return Attachment(uri=uri, media_type=_media_type_of(name), name=name)


_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "htm": "text/html",
    "xml": "text/xml",
    "json": "text/plain",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "webm": "video/webm",
}
"""By the end of an address's name. An own table: the standard library's reads files of the machine, and a
workflow has to come to the same on each."""


def _media_type_of(name: str) -> str:
    """Return what an address is likely to be; a page, if its name does not say."""
    return _MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "text/html")


def call_of(action: CallFunction, scope: Scope) -> CallTool:
    """Return the call that does ``action``.

    Raises:
        RenderError: A template cannot be filled in, or the arguments are too long.
        TemplateError: A template is not well formed.
    """
    quotes = Quotes()
    arguments = {plain(key): render_json(value, scope, quotes) for key, value in action.arguments.items()}
    size_bytes = len(json.dumps(arguments).encode())
    if size_bytes > run_limits.MAX_ARGUMENTS_BYTES:
        raise RenderError(
            f"the arguments have {size_bytes:,} bytes, the limit is {run_limits.MAX_ARGUMENTS_BYTES:,}"
        )
    return CallTool(name=action.name, arguments=arguments, quotes=quotes.taken())


def text_for(action: Join, scope: Scope) -> StoreText:
    """Return the text that ``action`` puts together; one that is short need not be stored.

    Raises:
        RenderError: A template cannot be filled in.
        TemplateError: A template is not well formed.
    """
    quotes = Quotes()
    parts = [render_text(part, scope, quotes) for part in action.parts]
    return StoreText(plain(action.separator).join(parts), quotes.taken())
