"""Memo keys that a run's workflow is started with: a list of runs shows memos without a further request.

Workflow code: see docs/changing.md.
"""

from typing import Final

AGENT_MEMO: Final = "agent"
"""The agent or model."""
QUESTION_MEMO: Final = "question"
"""The question's first line."""
