"""Sensible sentences about any subject, the same for the same seed.

The texts are invented. They are varied enough to look like a report, and hold characters beyond ASCII and
beyond Latin-1, which break code that counts characters where bytes are meant.
"""

# ruff: noqa: RUF001 - typographic dashes and quotes are the point of these texts

import random
import re
from typing import Final

_STOP_WORDS: Final = frozenset(
    {
        "a",
        "about",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "brief",
        "by",
        "compare",
        "current",
        "describe",
        "detailed",
        "do",
        "does",
        "explain",
        "analyse",
        "analyze",
        "investigate",
        "find",
        "make",
        "create",
        "for",
        "from",
        "give",
        "go",
        "has",
        "hello",
        "hey",
        "hi",
        "have",
        "how",
        "i",
        "in",
        "into",
        "is",
        "it",
        "latest",
        "me",
        "my",
        "of",
        "on",
        "or",
        "our",
        "please",
        "report",
        "research",
        "short",
        "should",
        "state",
        "summary",
        "tell",
        "that",
        "the",
        "their",
        "this",
        "to",
        "us",
        "use",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "write",
        "you",
        "your",
    }
)

_ACTORS: Final = (
    "the European Commission",
    "researchers in Zürich",
    "the municipality of São Paulo",
    "a consortium around Électricité du Sud",
    "the statistics office",
    "three independent auditors",
    "operators in 日本 (Japan)",
    "the regional development bank",
    "a working group at the university",
    "smaller suppliers",
    "the Århus pilot project",
    "the national regulator",
    "industry associations",
    "the Málaga laboratory",
)

_MEASURES: Final = (
    "adoption",
    "the average unit cost",
    "the failure rate",
    "public spending",
    "the time to delivery",
    "installed capacity",
    "the share of returning users",
    "energy use per unit",
    "the number of qualified staff",
    "the reported margin",
)

_CAUSES: Final = (
    "longer supply contracts",
    "a change in accounting rules",
    "the new “open access” clause",
    "cheaper components",
    "a shortage of trained people",
    "the revised subsidy scheme",
    "better measurement rather than a real change",
    "two large projects that came on line together",
    "a cautious insurance market",
)

_LIMITS: Final = (
    "the sample covers only 14 regions",
    "several figures are self-reported",
    "the series was rebased in 2023",
    "methods differ between countries",
    "the most recent quarter is provisional",
    "no source reports uncertainty intervals",
)

_TEMPLATES: Final = (
    "Between {y1} and {y2}, {measure} in {topic} rose by {p1}–{p2} %, which {actor} attributed to {cause}.",
    "{Actor} put the cost at about €{n} million a year, with {measure} as the largest single item.",
    "Two studies disagree: one finds that {measure} fell after {cause}, the other sees no effect on {topic}.",
    "For {topic}, the decisive factor appears to be {cause}, not the size of the budget.",
    "In interviews, practitioners called the situation “{quote}”, and the figures support that reading.",
    "{Measure} is now close to {p1} % of its {y1} level, although {limit}.",
    "By contrast, {actor} reported that {measure} has been flat since {y1}.",
    "The effect is strongest where {cause} coincides with stable demand for {topic}.",
    "{Actor} expected {measure} to reach €{n} million by {y2}, a forecast that rests on {cause}.",
    "A comparison of {k} sites shows a spread of {p1} to {p2} % in {measure}, more than earlier work found.",
    "Where {topic} is concerned, {actor} and {actor2} rely on the same data and reach different conclusions.",
    "This matters because {measure} determines how quickly {topic} can respond to {cause}.",
    "The evidence is weaker than it looks, since {limit}.",
    "After {cause}, {actor} halved its estimate from €{n} million to less than €{m} million.",
    "Nearly {p2} % of the respondents named {cause} as their main concern; only {p1} % named {measure}.",
    "The café-scale pilots – small, local and cheap – did better on {measure} than the flagship projects.",
    "Since {y1}, {actor} published {measure} every quarter, so {topic} is well documented.",
    "None of the sources explains why {measure} recovered before {cause} had any time to act.",
    "On present evidence {topic} should benefit from {cause}, provided that {measure} does not deteriorate.",
    "Read together, the sources suggest that {actor} moved early and {actor2} within {k} months.",
)

_QUOTES: Final = (
    "promising, but fragile",
    "a solved problem with unsolved bills",
    "more plumbing than physics",
    "slow, then sudden",
    "good enough to be boring",
    "déjà vu with better tools",
)

_OPENINGS: Final = (
    "",
    "",
    "",
    "In practice, ",
    "At the same time, ",
    "According to the most recent data, ",
    "Taken on its own, ",
)


_TRIES: Final = 8
"""Drafts of a sentence; the patterns with few variants are used up in a long report, the others never."""


def topic_of(question: str, *, words: int = 8) -> str:
    """The subject of a question in a few words: its first clause without the words of asking around it."""
    for clause in re.split(r"[.?!:;,–—\n“”\"]+", question):
        found = re.findall(r"[^\W_][\w'’-]*", clause)
        while found and found[0].lower() in _STOP_WORDS:
            found.pop(0)
        found = found[:words]
        while found and found[-1].lower() in _STOP_WORDS:
            found.pop()
        if found:
            return " ".join(found)
    return "the subject"


class Writer:
    """Writes about one subject.

    Args:
        topic: The subject, a few words that fit after “of”.
        seed: The same seed gives the same sentences.
    """

    def __init__(self, topic: str, *, seed: str) -> None:
        self.topic = topic
        self.chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._unused: list[str] = []
        self._written: set[str] = set()

    def sentence(self) -> str:
        """One sentence that this writer has not written before, unless there is no end to the writing."""
        for _ in range(_TRIES):
            text = self._draft()
            if text not in self._written:
                break
        self._written.add(text)
        return text

    def _draft(self) -> str:
        # No pattern comes back before all have been used.
        if not self._unused:
            self._unused = self.chance.sample(_TEMPLATES, len(_TEMPLATES))
        chance, first = self.chance, self.chance.randrange(2016, 2022)
        actor, actor2 = chance.sample(_ACTORS, 2)
        measure, low = chance.choice(_MEASURES), chance.randrange(3, 30)
        n = chance.randrange(12, 900)
        text = self._unused.pop().format(
            topic=self.topic,
            actor=actor,
            Actor=_capital(actor),
            actor2=actor2,
            measure=measure,
            Measure=_capital(measure),
            cause=chance.choice(_CAUSES),
            limit=chance.choice(_LIMITS),
            quote=chance.choice(_QUOTES),
            y1=first,
            y2=first + chance.randrange(3, 9),
            p1=low,
            p2=low + chance.randrange(4, 30),
            n=n,
            m=n // 2,
            k=chance.randrange(3, 40),
        )
        opening = chance.choice(_OPENINGS)
        if opening and text.startswith(("The ", "This ", "Two ", "A ", "None ", "Nearly ")):
            return opening + text[0].lower() + text[1:]
        return text

    def paragraph(self, sentences: int) -> str:
        """A paragraph without a line end."""
        return " ".join(self.sentence() for _ in range(sentences))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
