"""Bounds on chains, each with its reason.

Workflow code: see docs/changing.md.

A chain's workflow is continued as new with all it knows as its input, and Temporal takes payloads of up to
2 MiB. The spec, the inputs and the state have a bound each, which together leave room.
"""

from typing import Final

MAX_FILE_BYTES: Final = 512 * 1024
"""A chain's file with its comments. Pure Python reads about a megabyte of YAML in two seconds."""

MAX_SPEC_BYTES: Final = 256 * 1024
"""A chain without comments, as JSON. Long material belongs in inputs or attachments."""

MAX_DEPTH: Final = 64
"""Nesting in a file. JSON Schemas need a dozen; Python's stack ends at a few hundred."""

MAX_STEPS: Final = 1_000
MAX_UNITS: Final = 1_000
"""Steps and items of for_each together. What a workflow remembers of each is under 750 bytes."""

MAX_ITEMS: Final = 500
"""Items of one for_each: as many child workflows as Temporal advises one parent to have."""

MAX_PARALLEL: Final = 100
DEFAULT_PARALLEL: Final = 8
"""Steps under way at once. A project's rate limits rarely allow more than a few agents."""

MAX_INPUTS: Final = 100
MAX_INPUTS_BYTES: Final = 128 * 1024
"""Values of a chain's inputs together, as JSON; they stand in history."""

MAX_INLINE_BYTES: Final = 4 * 1024
"""A step's text that is kept as it is, in UTF-8; a longer one is kept as the address of a file."""

MAX_KEPT_BYTES: Final = 320 * 1024
"""What templates refer to, kept of all steps together. Past it a step fails, and says so."""

MAX_SHOWN_BYTES: Final = 96 * 1024
"""What is kept of all steps together for people alone: addresses of files. Past it nothing more is kept; the
steps' own runs have it."""

MAX_LINE_BYTES: Final = 200
"""Why a step failed or was skipped, in the chain's state, in UTF-8; the step's own run has the whole."""

MAX_REFERENCES: Final = 200
"""Templates in one text."""

MAX_PATH_PARTS: Final = 20
"""Parts of one path in a template."""

MAX_ATTEMPTS: Final = 10
"""Tries of one step. Each may be paid for."""

MAX_RETRY_WAIT_S: Final = 24 * 3600
"""Longest wait before another try: past a day, what failed is better looked at by a person."""

MAX_MESSAGE_BYTES: Final = 16 * 1024
"""What a person who is to approve is shown; it stands in the answer of a query, with all the others."""

MAX_NAME_CHARS: Final = 64
"""A name of a chain, a step or an input; steps' names become part of ids."""

MAX_MESSAGES_BYTES: Final = 128 * 1024
"""What all people who are to approve are shown together."""

MAX_NOTE_CHARS: Final = 2_000
"""What a person says with a decision. A template may put it into the next prompt."""
