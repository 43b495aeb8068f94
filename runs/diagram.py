"""The state diagram of a run, drawn from the transition table so that the two cannot differ.

``python -m runs.diagram`` prints it; docs/architecture.md holds the output, and a test compares them.
"""

from runs.phase import Phase, transitions


def state_diagram() -> str:
    """Return the transition table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.REQUESTED}"]
    lines += [f"    {before} --> {after}: {event}" for before, event, after in transitions()]
    lines += [f"    {phase} --> [*]" for phase in Phase if phase.is_end]
    return "\n".join(lines)


if __name__ == "__main__":
    print(state_diagram())  # noqa: T201 - prints for whoever updates the page
