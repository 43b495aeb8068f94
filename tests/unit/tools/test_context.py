import pytest

import tools


def test_a_call_knows_its_id() -> None:
    """What is called within a call is told which one it is."""
    with tools.calling("one"):
        assert tools.call_id() == "one"


def test_outside_of_a_call_there_is_no_id() -> None:
    """An idempotency key that is none would be worse; the message says how a test gets one."""
    with tools.calling("one"):
        pass
    with pytest.raises(RuntimeError, match=r"tools\.calling"):
        tools.call_id()


def test_heartbeats_go_to_the_call() -> None:
    """They are shown while it runs; anywhere else they are nobody's."""
    shown: list[str] = []
    tools.heartbeat("before")
    with tools.calling("one", heartbeat=shown.append):
        tools.heartbeat("half way")
    assert shown == ["half way"]
