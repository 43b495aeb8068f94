"""What a worker's task queue runs.

Workflow code: see docs/changing.md.
"""

from typing import Final

from workflows.agent_run import AgentRunWorkflow
from workflows.chain import ChainWorkflow
from workflows.conversation import ConversationWorkflow

WORKFLOWS: Final[list[type]] = [AgentRunWorkflow, ConversationWorkflow, ChainWorkflow]
