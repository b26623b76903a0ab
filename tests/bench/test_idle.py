"""Parsing of metrics and of the routing probe's output."""

from __future__ import annotations

from tests.bench import idle, routing
from tests.bench.routing import Answer


def metric(kind: str, verb: str, count: str, code: int = 200) -> str:
    group = "coordination.k8s.io" if kind == "leases" else ""
    labels = (
        f'code="{code}",component="apiserver",dry_run="",group="{group}",resource="{kind}",scope="resource",subresource="",verb="{verb}"'
    )
    return f'apiserver_request_total{{{labels},version="v1"}} {count}'


SERVED = "\n".join(
    [
        "# TYPE apiserver_request_total counter",
        metric("pods", "GET", "12"),
        metric("pods", "GET", "3", code=404),
        metric("leases", "PUT", "1.5e+02"),
        metric("endpointslices", "PUT", "4"),
        metric("nodes", "GET", "7"),
    ]
)


def test_requests_are_counted_by_kind_and_verb() -> None:
    assert idle.served(SERVED) == {"pods GET": 15.0, "leases PUT": 150.0, "endpointslices PUT": 4.0}


def test_what_has_grown_is_given_by_the_second() -> None:
    assert idle.per_second({"pods GET": 5.0, "leases PUT": 1.0}, {"pods GET": 15.0, "leases PUT": 1.0, "events POST": 2.0}, 4.0) == {
        "pods GET": 2.5,
        "events POST": 0.5,
    }


def test_an_agents_own_count_is_summed_up() -> None:
    text = 'HTTP/1.0 200 OK\r\n\r\nha_postgres_api_requests_total{verb="GET"} 3\nha_postgres_api_requests_total{verb="PUT"} 40\n'
    assert idle.sent(text) == 43


def test_answers_of_the_routing_probe() -> None:
    found = routing.answers([(0.0, "10.0 a\n"), (0.0, "10.5 -\n"), (0.0, "half"), (0.0, "11.0 b\n"), (0.0, "11.2 a\n")])
    assert found[1] == Answer(10.5, "-")
    assert routing.first_by(found, "b", 10.4) == 11.0 - 10.4
    assert routing.first_by(found, "b", 11.1) is None
    assert routing.last_by(found, "a", 10.4) == 11.2 - 10.4
    assert routing.last_by(found, "a", 12.0) == 0.0
