import pytest

from chains.actions import call_of, request_for
from chains.errors import RenderError
from chains.files import attached_files, replace_files
from chains.spec import Ask, CallFunction, Research
from chains.templates import LongText, Reference, Scope, StepValues, Value
from runs.generation import AudioOutput, ImageOutput, TextOutput
from runs.messages import Attachment
from tests.unit.chains.support import chain

_SCOPE = Scope(inputs={"x": "tea", "url": "file:///etc/passwd"}, steps=StepValues())


class _Long(StepValues):
    """Steps whose text is long."""

    def value_of(self, reference: Reference) -> Value:
        return LongText(f"s3://b/{reference.name}.md")


_LONG = Scope(inputs={}, steps=_Long())


def test_an_ask_is_a_request_to_a_model() -> None:
    """With everything that the step says about the answer."""
    action = Ask.model_validate(
        {
            "prompt": "On {{ inputs.x }}",
            "model": "m",
            "system_instruction": "Like {{ inputs.x }}",
            "schema": {"type": "object"},
            "image": {"aspect_ratio": "1:1", "size": "2K"},
            "speech": [{"speaker": "A", "voice": "Kore"}],
            "thinking_level": "low",
            "max_output_tokens": 5,
            "deadline": "2h",
        }
    )
    request = request_for(action, _SCOPE)
    assert (request.agent, request.model, request.input) == (None, "m", "On tea")
    assert request.system_instruction == "Like tea"
    assert request.deadline_s == 7200
    assert request.generation is not None
    assert (request.generation.thinking_level, request.generation.max_output_tokens) == ("low", 5)
    kinds = [type(form) for form in request.outputs.forms]
    assert kinds == [TextOutput, ImageOutput, AudioOutput]


def test_a_research_is_a_request_to_an_agent() -> None:
    """With the agent's own options."""
    request = request_for(Research(prompt="On {{ inputs.x }}", visualization=False), _SCOPE)
    assert (request.agent, request.model, request.visualization) == (
        "deep-research-preview-04-2026",
        None,
        False,
    )
    assert request.generation is None


@pytest.mark.parametrize(
    ("attach", "uri", "media_type", "name"),
    [
        ("https://example.org/a/b.pdf?x=1", "https://example.org/a/b.pdf?x=1", "application/pdf", "b.pdf"),
        ("gs://b/{{ inputs.x }}.csv", "gs://b/tea.csv", "text/csv", "tea.csv"),
        ("https://example.org/", "https://example.org/", "text/html", "example.org"),
    ],
)
def test_an_address_is_attached_as_what_its_name_says(
    attach: str, uri: str, media_type: str, name: str
) -> None:
    """A page, where it says nothing."""
    (attached,) = request_for(Ask.model_validate({"prompt": "x", "attach": [attach]}), _SCOPE).attachments
    assert (attached.uri, attached.media_type, attached.name) == (uri, media_type, name)


def test_a_long_text_is_attached_as_its_file() -> None:
    """Without ever being in the prompt."""
    (attached,) = request_for(Ask(prompt="x", attach=("{{ steps.a.text }}",)), _LONG).attachments
    assert (attached.uri, attached.media_type) == ("s3://b/a.md", "text/markdown")


@pytest.mark.parametrize(
    "attach", ["{{ inputs.url }}", "notes.md", "{{ inputs.x }}", "s3://b/other-run/report.md"]
)
def test_only_public_addresses_are_attached_by_text(attach: str) -> None:
    """A model's answer cannot name a file of the store, or of a worker's machine."""
    with pytest.raises(RenderError, match="nothing to attach"):
        request_for(Ask(prompt="x", attach=(attach,)), _SCOPE)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Ask(prompt="{{ inputs.nix }}"), "no input 'nix'"),
        (Ask(prompt=" "), "the question is empty"),
        (Ask(prompt="x" * 300_000), "the limit is"),
        (Ask(prompt="x", attach=("https://e.org/" + "x" * 3000,)), "at most 2048"),
    ],
)
def test_what_is_no_request_says_why(action: Ask, reason: str) -> None:
    """One line, for the step's error."""
    with pytest.raises(RenderError, match=reason):
        request_for(action, _SCOPE)


def test_a_request_quotes_only_so_many_texts() -> None:
    """The error says what to do about it."""
    prompt = "".join(f"{{{{ steps.a{number}.text }}}}" for number in range(101))
    with pytest.raises(RenderError, match="join step first"):
        request_for(Ask(prompt=prompt), _LONG)


def test_a_system_instruction_takes_no_long_text() -> None:
    """It is sent as it stands."""
    with pytest.raises(RenderError, match="takes no long text"):
        request_for(Ask(prompt="x", system_instruction="{{ steps.a.text }}"), _LONG)


def test_arguments_of_a_tool_have_a_bound() -> None:
    """They stand in history."""
    with pytest.raises(RenderError, match="the limit is"):
        call_of(CallFunction(name="f", arguments={"x": "y" * 70_000}), _SCOPE)


def test_files_next_to_a_chain_are_found_and_replaced() -> None:
    """Whoever starts it stores them first; addresses and templates are left alone."""
    attach = ["notes.md", "https://e.org/a.pdf", "{{ inputs.x }}"]
    spec = chain(
        {
            "a": {"ask": {"prompt": "x", "attach": attach}},
            "b": {
                "for_each": {
                    "items": [1],
                    "do": {"research": {"prompt": "x", "attach": ["notes.md", "b.csv"]}},
                }
            },
            "c": {"join": ["x"]},
        },
        inputs={"x": "y"},
    )
    assert attached_files(spec) == {
        "notes.md": ("steps", "a", "ask", "attach", 0),
        "b.csv": ("steps", "b", "for_each", "do", "research", "attach", 1),
    }
    stored = {
        name: Attachment(uri=f"s3://b/{name}", media_type="text/plain", name=name, size_bytes=1)
        for name in attached_files(spec)
    }
    replaced = replace_files(spec, stored)
    assert attached_files(replaced) == {}
    first, second = replaced.steps["a"].action, replaced.steps["b"].action
    assert isinstance(first, Ask)
    assert isinstance(second, Research)
    assert first.attach == (stored["notes.md"], *attach[1:])
    assert second.attach == (stored["notes.md"], stored["b.csv"])
    assert replaced.steps["c"] == spec.steps["c"]
