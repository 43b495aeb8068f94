import pytest

from emulator.directives import DIRECTIVE_KEYS, Directive, parse_directive, without_directives
from emulator.errors import ApiError


def test_a_directive_is_found_in_any_text_of_an_input() -> None:
    """However deep the text is in the input, its directive counts, and several add up."""
    value = [
        {
            "type": "user_input",
            "content": [{"type": "text", "text": "a [[emulator submission=s fault=429]]"}],
        },
        {
            "type": "user_input",
            "content": [{"type": "text", "text": "[[emulator times=2 fault=html,408]] b"}],
        },
    ]
    assert parse_directive(value) == Directive(submission="s", fault=("429", "html", "408"), times=2)


def test_every_key_has_its_type() -> None:
    """All documented keys are understood."""
    text = (
        "[[emulator submission=s duration_s=1.5 fault=429 times=1 retry_after_s=7 result_bytes=9 steps=3 "
        "expire_after_s=2 tool_rounds=4 webhook_signature=jwt delay_s=0.5 cut_s=2.5 cut_events=8 "
        "continuations=2 status=413 form=frontend says=VGVhLg==]]"
    )
    directive = parse_directive(text)
    assert directive == Directive(
        submission="s",
        duration_s=1.5,
        fault=("429", "many-steps", "requires-continuation"),
        times=1,
        retry_after_s=7,
        delay_s=0.5,
        result_bytes=9,
        steps=3,
        expire_after_s=2.0,
        tool_rounds=4,
        webhook_signature="jwt",
        continuations=2,
        cut_s=2.5,
        cut_events=8,
        status=413,
        form="frontend",
        says="Tea.",
    )
    assert all(getattr(directive, key) for key in DIRECTIVE_KEYS)


@pytest.mark.parametrize(
    "text",
    [
        "[[emulator speed=9]]",
        "[[emulator fault=gremlins]]",
        "[[emulator times=many]]",
        "[[emulator times=]]",
        "[[emulator status=100]]",
        "[[emulator status=600]]",
        "[[emulator form=poem]]",
        "[[emulator says=Tea.]]",
    ],
)
def test_a_mistaken_directive_is_refused(text: str) -> None:
    """A misspelt fault must not pass as good luck."""
    with pytest.raises(ApiError) as caught:
        parse_directive(text)
    assert caught.value.status == 400


def test_the_agent_does_not_read_directives() -> None:
    """What a person wrote is what the answer is about."""
    assert without_directives("Heat pumps [[emulator fault=429]] in Oslo") == "Heat pumps in Oslo"
