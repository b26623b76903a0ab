"""Parsing of metrics."""

from __future__ import annotations

from tests.robustness import consumption
from tests.robustness.consumption import Memory


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
    assert consumption.served(SERVED) == {"pods GET": 15.0, "leases PUT": 150.0, "endpointslices PUT": 4.0}


def test_what_has_grown_is_given_by_the_second() -> None:
    assert consumption.per_second({"pods GET": 5.0, "leases PUT": 1.0}, {"pods GET": 15.0, "leases PUT": 1.0, "events POST": 2.0}, 4.0) == {
        "pods GET": 2.5,
        "events POST": 0.5,
    }


def test_an_agents_own_count_is_summed_up() -> None:
    text = 'HTTP/1.0 200 OK\r\n\r\nha_postgres_api_requests_total{verb="GET"} 3\nha_postgres_api_requests_total{verb="PUT"} 40\n'
    assert consumption.sent(text) == 43


def test_the_memory_of_processes_is_summed_up() -> None:
    text = "00400000-7ffd ---p 00000000 00:00 0  [rollup]\nRss:   2048 kB\nPss:   1024 kB\nPss_Anon:  7 kB\n"
    assert Memory.of_text(text) == Memory(2 << 20, 1 << 20)
    assert Memory.of([0, 1 << 30]) == Memory(0, 0)
