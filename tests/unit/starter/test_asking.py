import json
from pathlib import Path
from typing import Any

import pytest

from runs.generation import AudioOutput, Generation, ImageOutput, Speaker, TextOutput, VideoOutput
from runs.messages import DEFAULT_MODEL, AgentRunRequest
from starter.commands.asking import AskOptions, fields_of
from starter.errors import InvalidInput
from starter.requests import check_request


def request_of(**options: Any) -> AgentRunRequest:
    """The request that the options make."""
    return check_request(fields_of(AskOptions(prompt="Why?", **options)))


def test_a_prompt_alone_asks_the_default_model() -> None:
    """Nothing is set that was not typed: the model's own defaults hold."""
    assert request_of() == AgentRunRequest(model=DEFAULT_MODEL, input="Why?")


def test_options_of_generation_are_taken_over() -> None:
    """Each option is the field of its name."""
    request = request_of(
        model="m",
        system="Be brief.",
        thinking="low",
        is_showing_thoughts=False,
        max_output_tokens=100,
        seed=7,
        stop=("END",),
        tool_choice="any",
        service_tier="flex",
        is_background=False,
        max_rounds=3,
        approval_expires="2h",
    )
    assert request.generation == Generation(
        thinking_level="low",
        thinking_summaries=False,
        max_output_tokens=100,
        seed=7,
        stop_sequences=("END",),
        tool_choice="any",
    )
    assert (request.model, request.system_instruction) == ("m", "Be brief.")
    assert (request.service_tier, request.is_background) == ("flex", False)
    assert (request.max_tool_rounds, request.tool_approval_s) == (3, 7_200)


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ({"is_text": True}, TextOutput()),
        ({"image": "auto"}, ImageOutput()),
        ({"image": "16:9", "image_size": "2K"}, ImageOutput(aspect_ratio="16:9", size="2K")),
        ({"speech": ("Kore",)}, AudioOutput(speakers=(Speaker(voice="Kore"),))),
        (
            {"speech": ("Ann=Kore", "Bob=Puck")},
            AudioOutput(
                speakers=(Speaker(voice="Kore", speaker="Ann"), Speaker(voice="Puck", speaker="Bob"))
            ),
        ),
        ({"video": "9:16", "video_resolution": "720p"}, VideoOutput(aspect_ratio="9:16", resolution="720p")),
    ],
)
def test_an_answer_has_the_form_that_was_asked_for(options: dict[str, Any], form: object) -> None:
    """Each form of output has an option; what is not said of it is left to the model."""
    assert request_of(**options).outputs.forms == (form,)


def test_several_forms_can_be_asked_for_at_once(tmp_path: Path) -> None:
    """Text goes beside an image if it is asked for, and with a schema it is JSON."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    forms = request_of(schema=tmp_path / "schema.json", is_text=True, image="1:1").outputs.forms
    assert forms == (TextOutput(json_schema=schema), ImageOutput(aspect_ratio="1:1"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"{", "no valid JSON"),
        (b"[1]", "a JSON Schema is an object, not list"),
        (b'{"type": "objekt"}', "no valid JSON Schema: .*objekt"),
        (b'{"$ref": "https://example.org/schema"}', "no usable JSON Schema"),
        (b" " * 70_000, "has more than 65,536 bytes"),
    ],
)
def test_a_schema_that_cannot_be_asked_for_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """The file is named, and what is wrong in it, before anything is paid for."""
    path = tmp_path / "schema.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=rf"--schema '.*schema\.json':? {reason}"):
        request_of(schema=path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"image_size": "2K"}, "--image-size goes with --image"),
        ({"video_resolution": "720p"}, "--video-resolution goes with --video"),
        ({"speech": ("=Kore",)}, "write VOICE, or NAME=VOICE"),
        ({"speech": ("Ann=",)}, "write VOICE, or NAME=VOICE"),
        ({"speech": ("Kore", "Puck")}, "several speakers need a name each"),
        ({"speech": ("Ann=Kore", "Ann=Puck")}, "several speakers need a name each"),
        ({"system": "@/nowhere.txt"}, "--system '/nowhere.txt': there is no such file"),
        ({"system": "@/dev/zero"}, "it is a device, not a regular file"),
        ({"system": ""}, "--system is empty"),
        ({"schema": Path("/nowhere.json")}, "--schema '/nowhere.json': there is no such file"),
        ({"image": "16x9"}, "--image: "),
        ({"stop": tuple("abcdef")}, "--stop: "),
        ({"approval_expires": "soon"}, "--approval-expires 'soon' is no duration"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], reason: str) -> None:
    """Each slip is told by the option it is about."""
    with pytest.raises(InvalidInput, match=reason):
        request_of(**options)


def test_a_system_instruction_can_stand_in_a_file(tmp_path: Path) -> None:
    """What is too long to type is read from a file."""
    (tmp_path / "system.txt").write_text("Be brief.\n")
    assert request_of(system=f"@{tmp_path / 'system.txt'}").system_instruction == "Be brief."
