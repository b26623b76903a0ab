"""Parsing of the routing probe's output."""

from __future__ import annotations

from tests.bench import routing
from tests.bench.routing import Answer


def test_answers_of_the_routing_probe() -> None:
    found = routing.answers([(0.0, "10.0 a\n"), (0.0, "10.5 -\n"), (0.0, "half"), (0.0, "11.0 b\n"), (0.0, "11.2 a\n")])
    assert found[1] == Answer(10.5, "-")
    assert routing.first_by(found, "b", 10.4) == 11.0 - 10.4
    assert routing.first_by(found, "b", 11.1) is None
    assert routing.last_by(found, "a", 10.4) == 11.2 - 10.4
    assert routing.last_by(found, "a", 12.0) == 0.0
