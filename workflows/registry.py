"""What a worker's task queue runs."""

from typing import Final

from workflows.agent_run import AgentRunWorkflow

WORKFLOWS: Final[list[type]] = [AgentRunWorkflow]
