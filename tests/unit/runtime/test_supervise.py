"""The back-off of a child, without processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.runtime.plan import ChildSpec
from shoal.runtime.processes import Process
from shoal.runtime.supervise import LOG_BYTES_MAX, Child, Running, rotate
from support.clock import ManualClock

NOBODY = Process(0x7FFF_FFF0, "never")
"""No process: signals to it go nowhere."""


class Life(Running):
    """A running child that ends when the test says so."""

    def __init__(self) -> None:
        super().__init__(NOBODY)
        self.ended = False

    def gone(self) -> bool:
        return self.ended


class World:
    """One child, its lives, and a clock."""

    def __init__(self, spec: ChildSpec) -> None:
        self.clock, self.lives = ManualClock(), list[Life]()
        self.child = Child(spec, None, self.clock)

    def launch(self, _: ChildSpec) -> Running:
        self.lives.append(Life())
        return self.lives[-1]

    def end(self) -> None:
        self.lives[-1].ended = True
        self.child.step(self.launch)

    async def starts_after(self, limit_s: float = 100.0) -> float:
        """Seconds until the next life begins, in tenths."""
        born = len(self.lives)
        for tenth in range(int(limit_s * 10) + 1):
            self.child.step(self.launch)
            if len(self.lives) > born:
                return tenth / 10
            await self.clock.advance(0.1)
        raise AssertionError("it was not started again")


async def test_back_off_doubles_up_to_its_limit() -> None:
    world = World(ChildSpec(name="a", command=("a",)))
    assert await world.starts_after() == 0
    waits = []
    for _ in range(8):
        world.end()
        waits.append(await world.starts_after())
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0], abs=0.11)


async def test_back_off_begins_anew_after_a_steady_life() -> None:
    world = World(ChildSpec(name="a", command=("a",)))
    await world.starts_after()
    for _ in range(5):
        world.end()
        await world.starts_after()
    await world.clock.advance(61)
    world.end()
    assert await world.starts_after() == pytest.approx(0.2, abs=0.11)


async def test_a_member_stays_away_long_enough_to_be_lost() -> None:
    world = World(ChildSpec(name="member-m1", command=("a",), restart_after_s=20.0, restart_max_s=20.0))
    await world.starts_after()
    world.end()
    assert await world.starts_after() == pytest.approx(20.0, abs=0.11)


async def test_start_cuts_the_wait_short() -> None:
    world = World(ChildSpec(name="member-m1", command=("a",), restart_after_s=20.0))
    await world.starts_after()
    world.end()
    world.child.start()
    assert await world.starts_after() == 0


async def test_stopped_stays_stopped_until_it_is_started() -> None:
    world = World(ChildSpec(name="a", command=("a",)))
    await world.starts_after()
    world.child.stop()
    world.end()
    await world.clock.advance(100)
    assert not world.child.step(world.launch)
    assert world.child.state().state == "stopped"
    world.child.start()
    assert await world.starts_after() == 0


async def test_state_tells_when_it_starts_again() -> None:
    world = World(ChildSpec(name="a", command=("a",), restart_after_s=20.0))
    await world.starts_after()
    assert (world.child.state().state, world.child.state().again_at) == ("running", "")
    world.end()
    state = world.child.state()
    assert (state.state, state.restarts, state.again_at) == ("waiting", 1, "2026-01-01T00:00:20.000+00:00")


async def test_a_command_that_cannot_be_started_is_tried_again() -> None:
    world = World(ChildSpec(name="a", command=("/nowhere/a",)))

    def fail(_: ChildSpec) -> Running:
        raise FileNotFoundError(2, "No such file")

    assert world.child.step(fail)
    assert world.child.state().state == "waiting"
    assert await world.starts_after() == pytest.approx(0.2, abs=0.11)


@pytest.mark.parametrize(
    ("size", "moved"), [pytest.param(LOG_BYTES_MAX, False, id="at-the-limit"), pytest.param(LOG_BYTES_MAX + 1, True, id="above")]
)
def test_rotate(tmp_path: Path, size: int, moved: bool) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * size)
    with log.open("ab") as held:  # As its writer holds it.
        rotate(tmp_path)
        held.write(b"after\n")
    assert (tmp_path / "a.log.1").exists() is moved
    assert log.read_bytes().endswith(b"after\n")
    assert log.stat().st_size == (6 if moved else size + 6)


def test_digest_is_of_what_runs_and_not_of_how_it_is_kept() -> None:
    spec = ChildSpec(name="a", command=("a", "b"), environment={"X": "1", "Y": "2"})
    same = ChildSpec(name="a", command=("a", "b"), environment={"Y": "2", "X": "1"}, restart_after_s=9.0)
    other = ChildSpec(name="a", command=("a", "b"), environment={"X": "1"})
    assert spec.digest == same.digest
    assert spec.digest != other.digest
