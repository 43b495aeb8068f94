import pytest

from emulator.clock import Clock
from tests.unit.emulator.conftest import HeldClock


def test_emulated_time_runs_at_its_scale(clock: HeldClock) -> None:
    """A wall second is as many emulated seconds as the scale says, from each change on."""
    start = clock.now_s()
    clock.pass_time(2)
    clock.set_scale(60)
    clock.pass_time(3)
    assert clock.now_s() - start == pytest.approx(2 + 180)


def test_wall_times_are_remembered_across_changes(clock: HeldClock) -> None:
    """The wall time of an emulated moment does not move when the scale does."""
    clock.pass_time(10)
    moment, wall = clock.now_s(), clock.wall
    clock.set_scale(100)
    clock.pass_time(5)
    assert clock.wall_of(moment) == pytest.approx(wall)
    assert clock.wall_until(clock.now_s() + 200) == pytest.approx(2)
    assert clock.wall_until(moment) == 0


def test_time_passes_while_the_process_is_down(clock: HeldClock) -> None:
    """A later process, even at another scale, goes on where the first one would be."""
    clock.set_scale(10)
    later = HeldClock(99, anchors=clock.anchors)
    later.pass_time(4)
    clock.pass_time(4)
    assert later.now_s() == pytest.approx(clock.now_s() + 4 * (99 - 10))


@pytest.mark.parametrize("scale", [0, -1])
def test_time_does_not_stand_still_or_go_back(scale: float) -> None:
    """A scale is positive."""
    with pytest.raises(ValueError, match="positive"):
        Clock().set_scale(scale)
