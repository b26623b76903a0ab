"""Virtual time advances."""

from __future__ import annotations

from .engine import TICK, Engine


def test_the_shortest_wait_changes_the_time() -> None:
    """Near 176 s, a float can't show a change of less than 3e-14 s."""
    engine = Engine()
    engine.run(176.55804972700335, lambda: None)
    seen: list[float] = []
    engine.after(3.5e-15, lambda: seen.append(engine.now))
    engine.after(0.0, lambda: seen.append(engine.now))
    begun = engine.now
    engine.run(1.0, lambda: None)
    assert seen[0] == begun
    assert begun < seen[1] <= begun + 2 * TICK
