"""Text from a model, a server or a stranger, made fit to show and to keep.

Workflow code: see docs/changing.md.

Pure, so that a workflow may bound a message with it. Nothing here reads Markdown; it only takes out what
a terminal or a browser would act on instead of show.
"""

import re
import unicodedata
from typing import Final

ELLIPSIS: Final = "…"

# Alternatives are tried in order, so a whole escape sequence goes before its single characters do.
# Quantifiers are possessive: hostile text must not make them backtrack.
UNSHOWN: Final = re.compile(
    r"\r\n?"  # line ends of other systems; see `_shown`
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # CSI: colours, cursor movement
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*+(?:\x07|\x1b\\|\x9c)"  # OSC: window titles, links, clipboard
    r"|\x1b[ -/]*+[0-~]"  # other escapes, and what is left of a broken CSI or OSC
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"  # C0 and C1 controls but newline and tab
    r"|[\u202a-\u202e\u2066-\u2069]"  # bidi embeddings, overrides, isolates: text that reads as other text
    r"|[\u2028\u2029]"  # line and paragraph separators
    r"|[\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # byte order mark, annotations, invisible tags
    r"|[\ud800-\udfff]"  # lone surrogates, which JSON can carry and UTF-8 cannot
)
"""What `clean_text` takes out or replaces."""

_UNFINISHED: Final = re.compile(
    r"(?:\r|\x1b[ -/]*+|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*+\x1b?)\Z"
)
"""What `UNSHOWN` may match as a whole once more text has come."""

_MAX_HELD_CHARS: Final = 4_096
"""Longer than any sequence that a terminal heeds; one that never ends must not hold back what follows."""

_LINE_ENDS: Final = frozenset({"\r\n", "\r", "\u2028", "\u2029"})
_JOINERS: Final = frozenset({"\u200d", "\ufe0e", "\ufe0f"})


def shown(unshown: str) -> str:
    """Return what stands in the clean text for one match of `UNSHOWN`."""
    if unshown in _LINE_ENDS:
        return "\n"
    return "\ufffd" if "\ud800" <= unshown <= "\udfff" else ""


def clean_text(text: str) -> str:
    """Return ``text`` without terminal escapes, control characters and bidi overrides.

    Line ends become newlines; tabs stay; lone surrogates become U+FFFD, so the result always encodes.
    """
    return UNSHOWN.sub(lambda match: shown(match[0]), text)


class TextCleaner:
    """Cleans a text that comes in pieces: joined, they are what `clean_text` makes of the whole.

    What may be the beginning of an escape sequence is held back until more comes, up to a bound; a longer
    one is shown as the text it then is.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what can be shown now that ``text`` has come."""
        text = self._held + text
        # Before the last characters nothing is held, so only they are looked at.
        unfinished = _UNFINISHED.search(text, max(0, len(text) - _MAX_HELD_CHARS))
        end = len(text) if unfinished is None else unfinished.start()
        self._held = text[end:]
        return clean_text(text[:end])

    def flush(self) -> str:
        """Return the rest: nothing more comes."""
        rest, self._held = clean_text(self._held), ""
        return rest


def first_line(text: str, max_chars: int) -> str:
    """Return the first line that shows anything, clean, single-spaced, of at most ``max_chars``.

    Where something was cut off, the last character is an ellipsis.
    """
    for line in clean_text(text).split("\n"):
        words = " ".join(line.split())
        if words:
            return words if len(words) <= max_chars else words[: max(max_chars - 1, 0)].rstrip() + ELLIPSIS
    return ""


def excerpt_utf8(text: str, max_bytes: int) -> str:
    """Return the beginning of ``text``, at most ``max_bytes`` long in UTF-8, cut between words.

    Where something was cut off an ellipsis follows, if there is room. A word that alone fills most of the
    excerpt is cut between two characters as people see them.
    """
    # Four bytes a character at most, so a longer prefix need not be encoded.
    raw = text[: max_bytes + 1].encode("utf-8", "replace")
    if len(raw) <= max_bytes and len(text) <= max_bytes:
        return raw.decode()
    room = max_bytes - len(ELLIPSIS.encode())
    if room <= 0:
        return raw[: max(max_bytes, 0)].decode("utf-8", "ignore")
    head = raw[:room].decode("utf-8", "ignore")
    following = raw.decode("utf-8", "ignore")[len(head) : len(head) + 1]
    if not following.isspace():
        # Past the first half: an excerpt of one word and a lost page would help nobody.
        for position in range(len(head) - 1, len(head) // 2, -1):
            if head[position].isspace():
                head = head[:position]
                break
        else:
            head = _whole_characters(head, following)
    return head.rstrip() + ELLIPSIS


def _whole_characters(head: str, following: str) -> str:
    """Drop from the end of ``head`` the beginning of a character that ``following`` goes on with."""
    while head and (unicodedata.combining(following) or following in _JOINERS or head[-1] in _JOINERS):
        head, following = head[:-1], head[-1]
    return head
