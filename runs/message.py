"""What every model that crosses a Temporal boundary has in common.

Workflow code: see docs/changing.md.
"""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A frozen model whose unknown fields are ignored.

    So an old worker reads a newer payload in the middle of a rollout; fields are only ever added, and added
    ones are optional.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
