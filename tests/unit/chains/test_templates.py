import json
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from chains.errors import RenderError, TemplateError
from chains.templates import (
    ITEM_INDEX,
    LongText,
    Quotes,
    Reference,
    Scope,
    StepValues,
    Texts,
    Value,
    parse,
    references,
    render,
    render_json,
    whole,
)
from runs.messages import ArtifactRef, Quote

_CHART = ArtifactRef(
    name="chart.png", uri="s3://b/chart.png", media_type="image/png", size_bytes=1, sha256=""
)


class _Steps(StepValues):
    """Steps by what is referred to of them."""

    def __init__(self, **values: Value) -> None:
        self._values = values

    def value_of(self, reference: Reference) -> Value:
        if reference.name not in self._values:
            return super().value_of(reference)
        return self._values[reference.name]


def _scope(inputs: dict[str, JsonValue] | None = None, **steps: Value) -> Scope:
    return Scope(inputs=inputs or {}, steps=_Steps(**steps))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("inputs.topic", Reference("inputs", "topic")),
        ("inputs.a-b.c[0].d", Reference("inputs", "a-b", path=("c", 0, "d"))),
        ("item", Reference("item")),
        ("item.title", Reference("item", path=("title",))),
        ("item[2]", Reference("item", path=(2,))),
        ("item_index", Reference("item_index")),
        ("steps.a.text", Reference("steps", "a", field="text")),
        ("steps.a.data.b[1].c", Reference("steps", "a", field="data", path=("b", 1, "c"))),
        ("steps.a.artifacts.report.md", Reference("steps", "a", field="artifacts", path=("report.md",))),
        ("steps.a.items[3].text", Reference("steps", "a", index=3, field="text")),
        ("steps.a.items[item_index].data.b", Reference("steps", "a", ITEM_INDEX, "data", ("b",))),
        ("steps.a.items[0].artifacts.x.y.png", Reference("steps", "a", 0, "artifacts", ("x.y.png",))),
        ("steps.a.data.artifacts.b.c", Reference("steps", "a", field="data", path=("artifacts", "b", "c"))),
        ("steps.items.text", Reference("steps", "items", field="text")),
    ],
)
def test_a_path_names_one_value(source: str, expected: Reference) -> None:
    """Inputs, items and what steps left are named by keys, dots and positions."""
    (found,) = references(f"x {{{{ {source} }}}} y")
    assert found.source == source
    assert (found.root, found.name, found.index, found.field, found.path) == (
        expected.root,
        expected.name,
        expected.index,
        expected.field,
        expected.path,
    )


@pytest.mark.parametrize(
    ("template", "reason", "opening"),
    [
        ("{{ steps.a.text", "never closed", 0),
        ("{{ }}", "is no path", 0),
        ("{{ 1 + 1 }}", "is no path", 0),
        ("{{ steps.a.text | upper }}", "is no path", 0),
        ("{{ steps.a.text() }}", "is no path", 0),
        ("{{ steps['a'].text }}", "is no path", 0),
        ("{{ steps.a.items[-1].text }}", "is no path", 0),
        ("{{ inputs.x }} {{ env.HOME }}", "begins with none of", 1),
        ("{{ inputs }}", "says not which input", 0),
        ("{{ steps.a }}", "says not what of the step", 0),
        ("{{ steps }}", "says not what of the step", 0),
        ("{{ item_index.x }}", "begins with none of", 0),
        ("{{{{ {{ nonsense }}", "begins with none of", 2),
        ("{{{ inputs.x }}}", "is no path", 0),
        ("{{ .x }}", "is no path", 0),
        ("{{ inputs..x }}", "is no path", 0),
        ("{{ inputs." + ".".join("a" * 30) + " }}", "is no path", 0),
        ("{{ inputs.x }}" * 201, "more than 200", 200),
    ],
)
def test_anything_but_a_path_is_refused(template: str, reason: str, opening: int) -> None:
    """There are no expressions, filters or calls; the error says which braces are meant."""
    with pytest.raises(TemplateError, match=reason) as caught:
        parse(template)
    assert caught.value.opening == opening


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("no braces", "no braces"),
        ("{{inputs.x}}", "tea"),
        ("a {{ inputs.x }} b {{ inputs.x }}", "a tea b tea"),
        ("{{{{ inputs.x }}", "{{ inputs.x }}"),
        ("{{{{{{ inputs.x }}", "{{tea"),
        ("} }} { ok", "} }} { ok"),
        ("{{ inputs.n }} {{ inputs.yes }}", "3 true"),
        ("[{{ inputs.none }}]", "[]"),
        ("{{ inputs.list }}", '["a", "é"]'),
        ("{{ inputs.list[1] }}", "é"),
        ("{{ inputs.object.key }}", "value"),
        ("", ""),
    ],
)
def test_a_template_becomes_its_values(template: str, text: str) -> None:
    """Texts stand as they are, lists and objects as JSON, null as nothing; doubled braces are literal."""
    inputs: dict[str, JsonValue] = {
        "x": "tea",
        "n": 3,
        "yes": True,
        "none": None,
        "list": ["a", "é"],
        "object": {"key": "value"},
    }
    assert render(template, _scope(inputs)).text == text


def test_what_a_value_contains_is_no_template() -> None:
    """A report that contains braces is text, and reads nothing of the chain."""
    scope = _scope({"secret": "s3cret"}, a="{{ inputs.secret }} {{{{")
    assert render("{{ steps.a.text }}", scope).text == "{{ inputs.secret }} {{{{"


def test_a_long_text_is_quoted_by_its_address() -> None:
    """The text itself never is in the message; one file has one placeholder, however often it is named."""
    scope = _scope(a=LongText("s3://b/a.md"), b=LongText("s3://b/b.md"))
    rendered = render("{{ steps.a.text }}, {{ steps.b.text }}, {{ steps.a.text }}", scope)
    assert rendered.text == "\ue0000\ue001, \ue0001\ue001, \ue0000\ue001"
    assert rendered.quotes == (
        Quote(placeholder="\ue0000\ue001", uri="s3://b/a.md"),
        Quote(placeholder="\ue0001\ue001", uri="s3://b/b.md"),
    )


def test_no_text_can_pretend_to_be_a_placeholder() -> None:
    """The two characters that make one are taken out of literals and of values, at any depth."""
    forged = "\ue0000\ue001"
    scope = _scope({"x": forged, "list": [{forged: forged}]}, a=LongText("s3://b/a.md"), b=forged)
    rendered = render(
        "\ue0000\ue001 {{ inputs.x }} {{ inputs.list }} {{ steps.b.text }} {{ steps.a.text }}", scope
    )
    assert rendered.text == '0 0 [{"0": "0"}] 0 \ue0000\ue001'
    quotes = Quotes()
    assert render_json({"a": [forged, "{{ inputs.list }}"]}, scope, quotes) == {"a": ["0", [{"0": "0"}]]}


def test_the_texts_of_all_items_are_joined() -> None:
    """Short ones stand as they are, long ones as placeholders, an empty line between them."""
    scope = _scope(a=Texts(("one", LongText("s3://b/2.md"), "three")))
    assert render("{{ steps.a.texts }}", scope).text == "one\n\n\ue0000\ue001\n\nthree"


def test_a_file_stands_as_its_address() -> None:
    """A picture of another step can be linked to."""
    assert render("![]({{ steps.a.image }})", _scope(a=_CHART)).text == "![](s3://b/chart.png)"


def test_a_whole_template_in_json_is_the_value() -> None:
    """A text that is one reference and nothing else gives a list as a list; with anything around it, text."""
    scope = _scope({"list": [1, {"a": None}]}, a=LongText("s3://b/a.md"), c=_CHART)
    quotes = Quotes()
    rendered = render_json(
        {
            "whole": " {{ inputs.list }} ",
            "part": "x {{ inputs.list[0] }}",
            "number": "{{ inputs.list[0] }}",
            "deep": [{"text": "{{ steps.a.text }}"}],
            "file": "{{ steps.c.image }}",
            "left": [1, None, True, 1.5],
        },
        scope,
        quotes,
    )
    assert rendered == {
        "whole": [1, {"a": None}],
        "part": "x 1",
        "number": 1,
        "deep": [{"text": "\ue0000\ue001"}],
        "file": "s3://b/chart.png",
        "left": [1, None, True, 1.5],
    }
    assert quotes.taken() == (Quote(placeholder="\ue0000\ue001", uri="s3://b/a.md"),)


@pytest.mark.parametrize(
    "template", ["{{ inputs.list[7] }}", "{{ inputs.list.a }}", "{{ inputs.nix }}", "{{ steps.nix.text }}"]
)
def test_what_is_not_there_is_an_error(template: str) -> None:
    """Nothing is made up: a prompt with a hole in it would be paid for."""
    with pytest.raises(RenderError):
        render(template, _scope({"list": [1]}))


@pytest.mark.parametrize("template", ["{{ item }}", "{{ item_index }}", "{{ inputs.list[item_index] }}"])
def test_an_item_is_only_there_inside_for_each(template: str) -> None:
    """Outside of it there is none to name."""
    with pytest.raises(RenderError, match="only there inside for_each"):
        render(template, _scope({"list": ["a", "b"]}))


def test_an_item_has_its_value_and_its_number() -> None:
    """The number also finds what belongs to the item in other lists."""
    scope = Scope(inputs={"list": ["a", "b"]}, steps=StepValues(), item={"k": "v"}, item_index=1)
    text = render("{{ item.k }} {{ item }} {{ item_index }} {{ inputs.list[item_index] }}", scope).text
    assert text == 'v {"k": "v"} 1 b'


@pytest.mark.parametrize(
    ("template", "is_whole"),
    [
        ("{{ item }}", True),
        ("\n{{ item }} ", True),
        ("x{{ item }}", False),
        ("{{ item }}{{ item }}", False),
        ("", False),
    ],
)
def test_a_template_is_whole_when_nothing_is_around_it(template: str, is_whole: bool) -> None:
    """Space around it does not count."""
    assert (whole(template) is not None) is is_whole


_texts = st.text(alphabet=st.sampled_from("{}{}{} .[]\ue000\ue001ab0|()'\"\n$%#é") | st.characters())


@given(_texts)
def test_no_template_does_anything_but_name_values(template: str) -> None:
    """Whatever is written, it is refused, or becomes its literal text and the values it names."""
    scope = _scope({"a": "VALUE"})
    try:
        rendered = render(template, scope)
    except (TemplateError, RenderError):
        return
    assert rendered.quotes == ()
    literal = template.replace("{{{{", "").translate(str.maketrans("", "", "\ue000\ue001{}"))
    assert set(rendered.text) <= set(literal) | set("{}VALUE")
    if "{{" not in template:
        assert rendered.text == template.translate(str.maketrans("", "", "\ue000\ue001"))


@given(_texts, _texts)
def test_no_value_escapes_into_the_template(value: str, other: str) -> None:
    """A value is put in as it is, without the two characters, and changes nothing around it."""
    scope = _scope({"v": value, "w": other}, a=LongText("s3://b/a.md"))
    rendered = render("<{{ inputs.v }}|{{ steps.a.text }}|{{ inputs.w }}>", scope)
    marks = str.maketrans("", "", "\ue000\ue001")
    assert rendered.text == f"<{value.translate(marks)}|\ue0000\ue001|{other.translate(marks)}>"
    assert len(rendered.quotes) == 1


@given(_texts)
def test_any_text_can_be_written_literally(text: str) -> None:
    """Doubling each pair of braces is all it takes."""
    literal = re.sub(r"\{\{", "{{{{", text)
    marks = str.maketrans("", "", "\ue000\ue001")
    if text.count("{{{") == 0:
        assert render(literal, _scope()).text == text.translate(marks)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(string.printable),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=5), parts, max_size=3),
    max_leaves=10,
)


@given(_json)
def test_a_whole_value_survives_unchanged(value: JsonValue) -> None:
    """What a step returned reaches a tool as the same JSON, but for the two characters."""
    rendered = render_json("{{ inputs.v }}", _scope({"v": value}), Quotes())
    marks = {ord("\ue000"): None, ord("\ue001"): None}
    expected = json.loads(json.dumps(value, ensure_ascii=False).translate(marks))
    assert rendered == ("" if value is None and rendered == "" else expected)
