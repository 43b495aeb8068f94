"""HTML in an agent's Markdown, made to be shown instead of obeyed.

Readers of Markdown differ in what HTML they let through. Ours lets none; but ``report.md`` is opened with
whatever a person has.
"""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_OPENER: Final = re.compile(r"(?<!\\)((?:\\\\)*)<(?=[A-Za-z/!?])")
"""A ``<`` that may begin HTML and is not escaped already."""

_AUTOLINK: Final = re.compile(r"<(?:https?://|mailto:)[^\s<>]*>", re.IGNORECASE)
"""Looks like a tag, but is an address that readers link; only kinds of addresses that are harmless."""

_CODE_SPAN: Final = re.compile(r"(?<![\\`])(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)

_PARSER: Final = MarkdownIt("commonmark", {"html": True})

_MAX_ROUNDS: Final = 4
"""What was HTML is Markdown once escaped, and may hold HTML again; deeper nesting than this is malice."""


def without_html(text: str) -> str:
    """Return ``text`` with a backslash before each ``<`` that begins HTML.

    Code keeps its ``<``, since readers show it there, and would show the backslash, too.
    """
    for _ in range(_MAX_ROUNDS):
        tokens = _PARSER.parse(text)
        if not _has_html(tokens):
            return text
        text = _escaped_outside_code(text, tokens)
    return _escaped(text) if _has_html(_PARSER.parse(text)) else text


def without_any_html(text: str) -> str:
    """Return ``text`` with a backslash before each ``<`` that may begin HTML, code or not, unparsed."""
    return _escaped(text)


def _has_html(tokens: list[Token]) -> bool:
    return any(
        token.type in {"html_block", "html_inline"} or _has_html(token.children or []) for token in tokens
    )


def _escaped_outside_code(text: str, tokens: list[Token]) -> str:
    # Line ends as the parser counts them; `clean_text` has left no others.
    lines = text.split("\n")
    is_code = [False] * (len(lines) + 1)
    for token in tokens:
        if token.type in {"fence", "code_block"} and token.map:
            first, after = token.map
            is_code[first:after] = [True] * (after - first)
    parts: list[str] = []
    begin = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or is_code[end] != is_code[begin]:
            chunk = "\n".join(lines[begin:end])
            parts.append(chunk if is_code[begin] else _escaped_outside_spans(chunk))
            begin = end
    return "\n".join(parts)


def _escaped_outside_spans(text: str) -> str:
    parts: list[str] = []
    begin = 0
    for span in _CODE_SPAN.finditer(text):
        parts += [_escaped(text[begin : span.start()]), span[0]]
        begin = span.end()
    return "".join([*parts, _escaped(text[begin:])])


def _escaped(text: str) -> str:
    parts: list[str] = []
    begin = 0
    for link in _AUTOLINK.finditer(text):
        parts += [_OPENER.sub(r"\1\\<", text[begin : link.start()]), link[0]]
        begin = link.end()
    return "".join([*parts, _OPENER.sub(r"\1\\<", text[begin:])])
