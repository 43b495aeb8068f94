"""What a tool can ask while it runs: which call this is, and a way to show how far it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class _Call:
    call_id: str
    heartbeat: Callable[[str], None]


_CURRENT: Final[ContextVar[_Call]] = ContextVar("longhaul_tool_call")


def call_id() -> str:
    """Return what tells this call from all others: the same on every attempt, the same for no other call.

    Give it as an idempotency key to whatever must not happen twice. It has 32 characters, ``0``-``9`` and
    ``a``-``f``.

    Raises:
        RuntimeError: No tool is being called. A test calls its function within ``tools.calling("some-id")``.
    """
    try:
        return _CURRENT.get().call_id
    except LookupError:
        raise RuntimeError(
            'tools.call_id() is for a tool while it is called; in a test, call it within tools.calling("id")'
        ) from None


def heartbeat(detail: str) -> None:
    """Show how far a call is, in the Temporal UI. Does nothing where no tool is being called.

    That the worker lives is said by itself; only the text is worth sending. It replaces the one before.

    Args:
        detail: A short text, for people. It is stored: no secrets.
    """
    call = _CURRENT.get(None)
    if call is not None:
        call.heartbeat(detail)


@contextmanager
def calling(call_id: str, *, heartbeat: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Be a call of a tool for the length of a ``with`` block.

    Args:
        call_id: What `call_id` returns.
        heartbeat: Is given what `heartbeat` is; may be called from any thread.
    """
    token = _CURRENT.set(_Call(call_id, heartbeat))
    try:
        yield
    finally:
        _CURRENT.reset(token)
