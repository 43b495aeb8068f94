import contextlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import InvalidChain
from chains.limits import MAX_DEPTH, MAX_FILE_BYTES
from chains.reading import read_chain
from chains.spec import ChainSpec, InputType, StepKind, seconds_of

_ROOT = Path(__file__).parents[3]

_WHOLE = """
name: whole
description: every kind of step
inputs:
  topic:
  listeners: beginners
  readers: [a, b]
  depth: {description: how deep, default: 3}
budget: {max_cost_usd: 5, max_tokens: 2000000, max_interactions: 10}
max_parallel: 4
steps:
  report:
    research:
      prompt: "Research {{ inputs.topic }}"
      agent: deep-research-max-preview-04-2026
      deadline: 2h
      tools: [url_context, {type: google_search, search_types: [web_search]}]
      attach: [https://example.org/a.pdf, notes.md]
  plan:
    ask:
      prompt: Plan {{ steps.report.text }}
      schema: {type: object, properties: {topics: {type: array, items: {type: string}}}}
      thinking_level: low
      max_output_tokens: 1000
      tools: [my_function]
    continues: report
    retry: {attempts: 2, wait_s: 5}
    budget: {max_interactions: 2}
  picture:
    ask: {prompt: draw, image: 16:9}
    after: plan
  voice:
    ask: {prompt: "{{ steps.plan.text }}", speech: Kore}
    after: [plan, picture]
  ok:
    approve: {message: "Go on? {{ steps.plan.text }}", expires: 1h30m, on_expiry: approve}
    on_error: skip_dependents
  fetch:
    tool: {name: my_function, arguments: {city: "{{ inputs.topic }}", deep: [{n: 1}]}}
  each:
    for_each: {items: "{{ steps.plan.data.topics }}", do: {research: "{{ item }}"}, max_parallel: 3}
    on_error: continue
  all:
    join: {parts: ["{{ steps.each.texts }}", "{{ steps.fetch.data }}"], separator: "---"}
output: all
"""


def _problems(text: str, source: str = "f.yaml") -> list[str]:
    with pytest.raises(InvalidChain) as caught:
        read_chain(text, source=source)
    return list(caught.value.problems)


def _steps(body: str) -> str:
    indented = "\n".join(f"  {line}" for line in body.strip("\n").splitlines())
    return f"name: x\ninputs: {{topic: tea, list: [a]}}\nsteps:\n{indented}\n"


def test_every_kind_of_step_is_read() -> None:
    """A file with all of it is a chain, short forms written out."""
    spec = read_chain(_WHOLE, source="whole.yaml")
    assert [step.kind for step in spec.steps.values()] == [
        StepKind.RESEARCH,
        StepKind.ASK,
        StepKind.ASK,
        StepKind.ASK,
        StepKind.APPROVE,
        StepKind.TOOL,
        StepKind.FOR_EACH,
        StepKind.JOIN,
    ]
    assert {name: declared.kind for name, declared in spec.inputs.items()} == {
        "topic": InputType.TEXT,
        "listeners": InputType.TEXT,
        "readers": InputType.LIST,
        "depth": InputType.NUMBER,
    }
    picture, voice = spec.steps["picture"], spec.steps["voice"]
    assert picture.ask is not None
    assert voice.ask is not None
    assert picture.ask.image is not None
    assert picture.ask.image.aspect_ratio == "16:9"
    assert voice.ask.speech is not None
    assert voice.ask.speech[0].voice == "Kore"
    assert picture.after == ("plan",)


def test_json_says_the_same_as_yaml() -> None:
    """A chain may come from a program; its JSON, and what crosses into the workflow, are one shape."""
    spec = read_chain(_WHOLE, source="whole.yaml")
    as_json = json.dumps(yaml.safe_load(_WHOLE.replace("16:9", '"16:9"')), indent="\t")
    assert read_chain(as_json, source="whole.json") == spec
    assert read_chain(as_json, source="-") == spec
    assert ChainSpec.model_validate_json(spec.model_dump_json()) == spec
    assert ChainSpec.model_validate_json(as_json) == spec


@pytest.mark.parametrize("path", sorted(_ROOT.glob("examples/chains/*")), ids=lambda path: path.name)
def test_the_examples_are_right(path: Path) -> None:
    """Whoever begins from an example begins from a chain that starts."""
    assert read_chain(path.read_text("utf-8"), source=path.name).name == path.stem


def test_the_page_shows_a_chain_that_starts() -> None:
    """The first thing that people copy works."""
    page = (_ROOT / "docs/chains.md").read_text("utf-8")
    assert read_chain(page.split("```yaml\n")[1].split("```")[0], source="page.yaml").name == "podcast"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f.yaml:1:1: the file is empty; a chain has a name and steps"),
        ("# only a comment", "f.yaml:1:1: the file is empty; a chain has a name and steps"),
        ("- a", "f.yaml:1:1: a chain is an object with a name and steps"),
        ("name: x\n---\nname: y", "f.yaml:2:1: a file holds one chain; here begins another"),
        ("name: x\nsteps:\n\ta: 1", "f.yaml:3:1: a tab cannot indent; use spaces"),
        (
            "name: a: b",
            "f.yaml:1:8: `: ` cannot stand here; put the text in quotes, or check the indentation",
        ),
        ("name: \x01", "f.yaml:1:7: the character U+0001 cannot stand in a YAML file"),
        ("name: *x", "f.yaml:1:7: aliases (*x) are not supported; write it out"),
        ("? [a]\n: b", "f.yaml:1:3: a key is a word, not a list or an object"),
        ("[" * (MAX_DEPTH + 2), f"f.yaml:1:{MAX_DEPTH + 2}: nested deeper than {MAX_DEPTH} levels"),
        ("x" * (MAX_FILE_BYTES + 1), f"f.yaml:1:1: the file has {MAX_FILE_BYTES + 1:,} bytes, the limit is"),
        ("name: [", "f.yaml:1:8: this is no YAML:"),
    ],
)
def test_what_is_no_yaml_is_refused_at_once(text: str, problem: str) -> None:
    """One line says what is wrong and where."""
    (found,) = _problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "f.json:1:2: a key in double quotes is expected here"),
        ('{"name"', "f.json:1:8: `:` is expected here"),
        ('{"name": "x" "steps": 1}', "f.json:1:14: `,` or `}` is expected here"),
        ('{"name":\n  nix}', "f.json:2:3: 'n' begins no JSON value"),
        ('{"name": "x\n"}', "f.json:1:12: Invalid control character at"),
        ('{"a": 1}\n{}', "f.json:2:1: something follows the end of the chain"),
        ("[1", "f.json:1:3: `,` or `]` is expected here"),
        ('{"a":', "f.json:1:6: the file ends too early"),
        ("", "f.json:1:1: the file ends too early"),
        ("[" * (MAX_DEPTH + 2), f"f.json:1:{MAX_DEPTH + 2}: nested deeper than"),
    ],
)
def test_what_is_no_json_is_refused_at_once(text: str, problem: str) -> None:
    """The same for JSON, which is not read as YAML: YAML takes no tabs, and no pairs of surrogates."""
    (found,) = _problems(text, "f.json")
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: &x y\nsteps: {a: {ask: b}}", "f.yaml:1:7: anchors (&x) are not supported"),
        (
            "name: !!str y\nsteps: {a: {ask: b}}",
            "f.yaml:1:7: tags (!…) are not supported; write plain values",
        ),
        (
            "name: x\nsteps: {a: {ask: b}, a: {ask: c}}",
            "f.yaml:2:22: the key 'a' is given twice; the first is",
        ),
        (
            "name: x\nsteps: {a: {ask: b}}\nmax_parallel: 99999999999999999999",
            "f.yaml:3:15: the number is too large",
        ),
        (
            "name: x\nsteps: {a: {ask: b}}\nmax_paralel: 3",
            "f.yaml:3:1: unknown key 'max_paralel'; did you mean 'max_parallel'?",
        ),
        ("name: 9x\nsteps: {a: {ask: b}}", "f.yaml:1:7: `name`: a name is a letter, and up to 63 more"),
        ("steps: {a: {ask: b}}", "f.yaml:1:1: `name` is missing"),
        ("name: x", "f.yaml:1:1: `steps` is missing"),
        ("name: x\nsteps: {}", "f.yaml:2:8: `steps`:"),
        ("name: x\nsteps: {a b: {ask: c}}", "f.yaml:2:9: 'a b' is no name; a name is a letter"),
        (
            "name: x\nsteps: {a: {ask: 5}}",
            "f.yaml:2:18: `ask`: is to be an object, with a key for each value",
        ),
        ("name: x\nsteps: {a: {ask: {prompt: 5}}}", "f.yaml:2:27: `prompt`: is to be text; put it in quotes"),
        (
            "name: x\nsteps: {a: {ask: {promt: b}}}",
            "f.yaml:2:19: unknown key 'promt'; did you mean 'prompt'?",
        ),
        ("name: x\nsteps: {a: {ask: {model: b}}}", "f.yaml:2:13: `prompt` is missing"),
        ("name: x\nsteps: {a: {aks: b}}", "f.yaml:2:13: unknown key 'aks'; did you mean 'ask'?"),
        ("name: x\nsteps: {a: {}}", "f.yaml:2:12: `a`: a step has exactly one of research, ask"),
        ("name: x\nsteps: {a: {ask: b, join: [c]}}", "f.yaml:2:12: `a`: a step has exactly one of"),
        (
            "name: x\nsteps: {a: {ask: b, retry: {atempts: 2}}}",
            "f.yaml:2:29: unknown key 'atempts'; did you mean 'attempts'?",
        ),
        (
            "name: x\nsteps: {a: {ask: b, retry: {attempts: 0}}}",
            "f.yaml:2:39: `attempts`: is to be greater than",
        ),
        (
            "name: x\nsteps: {a: {ask: b, budget: {max_cost: 2}}}",
            "f.yaml:2:30: unknown key 'max_cost'; did you mean 'max_cost_usd'?",
        ),
        (
            "name: x\nsteps: {a: {ask: b, on_error: stop}}",
            "f.yaml:2:31: `on_error`: is to be 'fail', 'continue' or",
        ),
        (
            "name: x\nsteps: {a: {approve: {message: b, expires: 24}}}",
            "f.yaml:2:44: `expires`: is to be text; put it",
        ),
        (
            "name: x\nsteps: {a: {approve: {message: b, expires: 1 day}}}",
            "f.yaml:2:44: `expires`: '1 day' is no duration",
        ),
        (
            "name: x\nsteps: {a: {approve: {message: b, expires: 99d}}}",
            "f.yaml:2:44: `expires`: must be between 1 sec",
        ),
        (
            "name: x\nsteps: {a: {ask: {prompt: b, deadline: 1s}}}",
            "f.yaml:2:40: `deadline`: must be between 10 sec",
        ),
        (
            "name: x\nsteps: {a: {ask: {prompt: b, image: 16:10}}}",
            "f.yaml:2:37: `aspect_ratio`: is to be '1:1'",
        ),
        ("name: x\nsteps: {a: {for_each: {items: [b], do: {join: [c]}}}}", "f.yaml:2:41: unknown key 'join'"),
        (
            "name: x\nsteps: {a: {for_each: {items: [b], do: {ask: {promt: c}}}}}",
            "f.yaml:2:47: unknown key 'promt'; did",
        ),
        (
            "name: x\ninputs: {a: {tipe: list}}\nsteps: {a: {ask: b}}",
            "f.yaml:2:14: unknown key 'tipe'; did you mean 'type'?",
        ),
        (
            "name: x\ninputs: {a: {type: list, default: b}}\nsteps: {a: {ask: b}}",
            "f.yaml:2:13: `a`: the default is no list",
        ),
        ("name: x\nsteps: {a: {ask: {prompt: b, tools: [{type: nix}]}}}", "f.yaml:2:38: `tools`:"),
    ],
)
def test_a_wrong_shape_is_named_with_its_place(text: str, problem: str) -> None:
    """Unknown keys with the one that was meant, missing ones, wrong kinds of value, bad durations."""
    assert any(found.startswith(problem) for found in _problems(text)), _problems(text)


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("a: {ask: '{{ steps.b.text }}'}\nbb: {ask: x}", "4:13: there is no step 'b'; did you mean 'bb'?"),
        ("a: {ask: 'x {{ inputs.topc }}'}", "4:15: there is no input 'topc'; did you mean 'topic'?"),
        ("a: {ask: '{{ inputs.topic.x }}'}", "4:13: the input 'topic' is text and has no parts"),
        ("a: {ask: '{{ item }}'}", "4:13: `item`: an item is only there inside `do` of a for_each"),
        ("a: {ask: '{{ steps.a.text }}'}", "4:6: the steps wait for each other in a circle: a → a"),
        (
            "a: {ask: x, after: b}\nb: {ask: x, after: c}\nc: {ask: x, continues: a}",
            "4:6: the steps wait for each other in a circle: a → b → c → a",
        ),
        ("a: {ask: x, after: [b]}", "4:23: there is no step 'b'"),
        ("a: {ask: x, continues: b}", "4:26: there is no step 'b'"),
        (
            "a: {join: [x]}\nb: {ask: x, continues: a}",
            "5:26: 'a' is join; only research and ask can be continued",
        ),
        (
            "a: {ask: x}\nb: {join: [x], continues: a}",
            "5:29: only research and ask can continue a step, not join",
        ),
        (
            "a: {ask: x}\nb: {ask: '{{ steps.a.data.x }}'}",
            "5:13: 'a' has data only if it is asked for: give it a `schema`",
        ),
        ("a: {ask: x}\nb: {ask: '{{ steps.a.texts }}'}", "5:13: ask has no 'texts'; did you mean 'text'?"),
        ("a: {ask: x}\nb: {ask: '{{ steps.a.text.b }}'}", "5:13: `steps.a.text.b`: text has no parts"),
        ("a: {ask: x}\nb: {ask: '{{ steps.a.artifacts }}'}", "5:13: `steps.a.artifacts` names no file"),
        ("a: {ask: x}\nb: {ask: '{{ steps.a.items[0].text }}'}", "5:13: 'a' is ask and has no items"),
        ("a: {join: [x]}\nb: {ask: '{{ steps.a.interaction_id }}'}", "5:13: join has no 'interaction_id'"),
        (
            "a: {for_each: {items: [1], do: {ask: x}}}\nb: {ask: '{{ steps.a.text }}'}",
            "5:13: for_each has no 'text' alone; write `texts`",
        ),
        (
            "a: {for_each: {items: [1], do: {ask: x}}}\nb: {ask: '{{ steps.a.items[0].data }}'}",
            "5:13: 'a' has data only if it is asked for",
        ),
        (
            "a: {for_each: {items: 'x {{ inputs.list }}', do: {ask: x}}}",
            "4:25: items is a list, or one template",
        ),
        (
            "a: {for_each: {items: '{{ inputs.topic }}', do: {ask: x}}}",
            "4:26: the input 'topic' is text, not a list",
        ),
        (
            "a: {ask: x}\nb: {for_each: {items: '{{ steps.a.text }}', do: {ask: x}}}",
            "5:26: steps.a.text is no list",
        ),
        (
            "a: {for_each: {items: [{b: 1}, {c: 2}], do: {ask: '{{ item.b }}'}}}",
            "4:54: `item.b`: there is no 'b'",
        ),
        ("a: {for_each: {items: [1], do: {ask: '{{ item.b }}'}}}", "4:41: `item.b`: there is no 'b'"),
        ("a: {ask: '{{ 1 + 1 }}'}", "4:13: `1 + 1` is no path like steps.NAME.text"),
        ("a: {ask: '{{ inputs.topic'}", "4:13: `{{` is never closed"),
        ("a: {tool: {name: f, arguments: {x: [{y: '{{ nix }}'}]}}}", "4:44: `nix` begins with none of"),
        (
            "a: {research: {prompt: x, tools: [my_function]}}",
            "4:17: deep-research-preview-04-2026 does not take the tool function",
        ),
        (
            "a: {research: {prompt: x, system_instruction: y}}",
            "4:17: deep-research-preview-04-2026 takes no system instr",
        ),
        (
            "a: {ask: {prompt: x, tools: [{type: file_search, stores: [s]}, google_search]}}",
            "4:12: file_search does not go together",
        ),
        ("a: {ask: ' '}", "4:12: input: the question is empty"),
        ("a: {ask: x, continues: a}", "4:6: the steps wait for each other in a circle: a → a"),
        (
            "a: {ask: '{{ steps.b.items[item_index].text }}'}\nb: {join: [x]}",
            "4:13: `steps.b.items[item_index].text`: an item",
        ),
        ("a: {ask: '{{ nix'}\nb: {ask: '{{ steps.a.text }}'}", "4:13: `{{` is never closed"),
        ("a: {join: [x], budget: {max_tokens: 5}}", "4:26: join costs nothing, so it takes no budget"),
        ("a: {approve: x, retry: {attempts: 2}}", "4:26: approve is not tried again"),
        (f"a: {{for_each: {{items: {list(range(501))}, do: {{ask: x}}}}}}", "4:25: more than 500 items"),
    ],
)
def test_what_does_not_fit_together_is_named_with_its_place(steps: str, problem: str) -> None:
    """Every reference is to something that is there, before anything is paid for."""
    (found,) = _problems(_steps(steps))
    assert found.startswith(f"f.yaml:{problem}")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("topics", None),
        ("topics[0].title", None),
        ("any.thing", None),
        ("topcs", "there is no 'topcs'; did you mean 'topics'?"),
        ("topics.title", "there is no 'title', but array"),
        ("topics[0].titel", "there is no 'titel'; did you mean 'title'?"),
        ("count.x", "there is no 'x', but number"),
    ],
)
def test_data_is_checked_against_its_schema(path: str, reason: str | None) -> None:
    """A misspelt key is found before the model is paid for the answer that has it not."""
    text = _steps(f"""
a:
  ask:
    prompt: x
    schema:
      type: object
      properties:
        topics: {{type: array, items: {{type: object, properties: {{title: {{type: string}}}}}}}}
        count: {{type: number}}
        any: {{type: object, additionalProperties: true, properties: {{}}}}
b: {{ask: "{{{{ steps.a.data.{path} }}}}"}}
""")
    if reason is None:
        read_chain(text, source="f.yaml")
    else:
        (found,) = _problems(text)
        assert found == f"f.yaml:13:13: `steps.a.data.{path}`: by its schema {reason}"


@pytest.mark.parametrize("output", ["{{ steps.a.nix }}", "{{ steps.a.text", "{{ steps.b.text }}"])
def test_the_output_is_checked_like_any_template(output: str) -> None:
    """It is filled in last, when everything is paid for."""
    (found,) = _problems(f"name: x\nsteps: {{a: {{ask: x}}}}\noutput: '{output}'")
    assert found.startswith("f.yaml:3:10: ")


def test_items_that_are_not_known_yet_are_not_judged() -> None:
    """A list may have templates among its items; what they give is seen when it is there."""
    read_chain(
        _steps("""
a: {ask: {prompt: x, schema: {}}}
b: {for_each: {items: ["{{ steps.a.data.x }}", {k: 1}], do: {ask: "{{ item.k }}"}}}
c: {for_each: {items: "{{ steps.a.data }}", do: {tool: {name: f, arguments: {k: "{{ item.k }}"}}}}}
"""),
        source="f.yaml",
    )


def test_items_are_checked_against_the_schema_they_come_from() -> None:
    """What `item` has in it is known where the list's schema says so, and that it is a list."""
    text = _steps("""
a:
  ask: {prompt: x, schema: {properties: {t: {type: array, items: {properties: {k: {}}}}, n: {type: string}}}}
b: {for_each: {items: "{{ steps.a.data.t }}", do: {ask: "{{ item.k }} {{ item.q }}"}}}
c: {for_each: {items: "{{ steps.a.data.n }}", do: {ask: "{{ item }}"}}}
""")
    assert _problems(text) == [
        "f.yaml:6:73: `item.q`: by its schema there is no 'q'",
        "f.yaml:7:26: steps.a.data.n is string by its schema, not a list",
    ]


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    """Whoever mends a file mends it once, though some of it has no shape at all."""
    text = """name: x
budgt: {}
steps:
  one:
    ask: {promt: x}
  two:
    ask: |
      A first line.

      And {{ inputs.nix }}, then {{ steps.one.text }} and {{ steps.on.text }}.
  two:
    ask: again
  three: {ask: "{{ steps.two.txt }}", after: [four]}
output: tree
"""
    assert _problems(text) == [
        "f.yaml:2:1: unknown key 'budgt'; did you mean 'budget'?",
        "f.yaml:5:5: `prompt` is missing",
        "f.yaml:5:11: unknown key 'promt'; did you mean 'prompt'?",
        "f.yaml:10:11: there is no input 'nix'",
        "f.yaml:10:59: there is no step 'on'; did you mean 'one'?",
        "f.yaml:11:3: the key 'two' is given twice; the first is in line 6",
        "f.yaml:13:17: ask has no 'txt'; did you mean 'text'?",
        "f.yaml:13:47: there is no step 'four'",
        "f.yaml:14:9: there is no step 'tree'; did you mean 'three'? (output is a step, or a template)",
    ]


def test_a_place_in_json_is_as_exact() -> None:
    """Lines and columns are counted in the file as it is."""
    text = '{"name": "x",\n\t"steps": {\n\t\t"a": {"ask": "é {{ inputs.nix }}"}}}'
    assert _problems(text, "f.json") == ["f.json:3:19: there is no input 'nix'"]


def test_where_escapes_move_the_place_the_text_is_named() -> None:
    """A template that is written with escapes is found by the text it is in."""
    text = 'a: {ask: "\\x7b{ inputs.nix }} {{ inputs.topic }}"}'
    assert _problems(_steps(text)) == ["f.yaml:4:12: there is no input 'nix'"]


def test_texts_of_other_alphabets_survive_both_ways_of_writing() -> None:
    """A pair of surrogates is one character, and a lone one, which no history takes, is replaced."""
    text = '{"name": "x", "steps": {"a": {"ask": "\\ud83d\\ude00 \\ud83d"}}}'
    for source in ("f.json", "f.yaml"):
        asked = read_chain(text, source=source).steps["a"].ask
        assert asked is not None
        assert asked.prompt == "\U0001f600 \ufffd"


def test_words_are_texts() -> None:
    """Nobody means true by `no`, or a number of seconds by a ratio; a date is a text."""
    text = "name: x\ninputs: {a: no, b: 12:30, c: 2026-11-22, d: 1e3, e: -.5, f: .inf}\nsteps: {s: {ask: x}}"
    inputs = read_chain(text, source="f.yaml").inputs
    assert [declared.default for declared in inputs.values()] == [
        "no",
        "12:30",
        "2026-11-22",
        1000.0,
        -0.5,
        ".inf",
    ]


@pytest.mark.parametrize(
    ("duration", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("2d", 172_800), ("1h 30m", 5_400)]
)
def test_durations_are_written_as_people_say_them(duration: str, seconds: float) -> None:
    """Days, hours, minutes, seconds, from large to small."""
    assert seconds_of(duration) == seconds


@pytest.mark.parametrize("duration", ["", "5", "5x", "-5m", "30m1h", "1.5h", "h"])
def test_what_is_no_duration_is_refused(duration: str) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(ValueError, match="is no duration"):
        seconds_of(duration)


def test_a_chain_too_large_for_history_is_refused() -> None:
    """Its workflow would have it as its input, again and again."""
    long = "x" * 150_000
    problems = _problems(_steps(f"a: {{join: ['{long}']}}\nb: {{join: ['{long}']}}"))
    assert problems[0].startswith("f.yaml:1:1: the chain has 30")


@given(st.text(alphabet=st.sampled_from("{}[]\"':,-\n\t #&*!|>ab01 .\\\ue000") | st.characters()))
def test_any_text_is_a_chain_or_is_told_why_not(text: str) -> None:
    """No file breaks the reader, whatever is in it."""
    for source in ("f.yaml", "f.json"):
        with pytest.raises(InvalidChain) as caught:
            read_chain(text, source=source)
        assert all(problem.startswith(f"{source}:") for problem in caught.value.problems)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda parts: (
            st.lists(parts)
            | st.dictionaries(
                st.sampled_from(["name", "steps", "a", "ask", "for_each", "items", "do", "inputs", "after"])
                | st.text(),
                parts,
            )
        ),
    )
)
def test_any_value_is_a_chain_or_is_told_why_not(value: object) -> None:
    """No shape breaks the reader, however it is nested."""
    with contextlib.suppress(InvalidChain):
        read_chain(json.dumps({"name": "x", "steps": value}), source="f.json")
