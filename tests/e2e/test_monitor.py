"""Prometheus scrapes a release that has `monitor.agent: prometheus.io/builtin`. The tests depend on
each other, in order.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hapg_failover.metrics import METRICS, PREFIX
from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.robustness import prometheus
from tests.robustness.failpoint import acts
from tests.robustness.prometheus import Prometheus
from tests.robustness.release import FAILOVER_SECONDS, Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.thorough, pytest.mark.timeout(420)]

SEEN_SECONDS = 30.0
EXPRESSION = re.compile(r"`([^`]*(?:==|!=|>|<)[^`]*)`")
"""In the table's column of alerts: an expression of PromQL that is written out."""
EXPRESSIONS = [found[1] for metric in METRICS if (found := EXPRESSION.match(metric.alert)) and "…" not in found[1]]
FAILOVERS = f'changes({PREFIX}promoted_timestamp_seconds{{cause!~"switchover|deletion|start"}}[10m]) > 0'
"""The alert of that metric, as an expression."""


@dataclass(frozen=True)
class Monitored:
    """A release at full strength and the Prometheus that scrapes it."""

    release: Release
    prometheus: Prometheus

    def by_pod(self, metric: str) -> dict[str, float]:
        """The values of a metric by pod. metric: without the prefix, with a selector if it has several for each pod."""
        return self.prometheus.values(PREFIX + metric)

    def is_as_with_primary(self, primary: str) -> bool:
        """True if what Prometheus has is what the docs say of a release at full strength with this primary."""
        pods = [pod.name for pod in self.release.pods()]
        alone = {pod: float(pod == primary) for pod in pods}
        return (
            self.by_pod("primary") == alone
            and self.by_pod('phase{phase="primary"}') == alone
            and {pod: float(left > 0) for pod, left in self.by_pod("lease_remaining_seconds").items()} == alone
            and self.by_pod("eligible_replicas") == dict.fromkeys(pods, self.release.replicas - 1.0)
            and self.by_pod("term") == dict.fromkeys(pods, float(self.release.lease()["term"]))
        )


@pytest.fixture(scope="module")
def monitored(cluster: Cluster) -> Iterator[Monitored]:
    if not chosen.takes_images():
        pytest.skip("CLUSTER=current: the image of Prometheus can't be loaded into it")
    with installed("e2e-monitor", "--set", "monitor.agent=prometheus.io/builtin") as release:
        yield Monitored(release, prometheus.start(release.namespace))


def test_every_pod_is_a_target(monitored: Monitored) -> None:
    """By the annotations of the Service of the metrics, and once for each pod, although other Services have the same pods."""
    release = monitored.release
    pods = {pod.name: 1.0 for pod in release.pods()}
    release.wait("every pod is scraped", lambda: monitored.prometheus.values("up") == pods, SEEN_SECONDS)
    assert {sample.labels["service"] for sample in monitored.prometheus.query("up")} == {f"{release.name}-stats"}
    assert len(monitored.prometheus.query("up")) == len(pods)


def test_every_documented_metric_is_there(monitored: Monitored) -> None:
    """With the documented label and values, for each pod; and no other metric of ours is."""
    names = monitored.prometheus.values(f'count by (__name__) ({{__name__=~"{PREFIX}.+"}})', label="__name__")
    assert set(names) == {PREFIX + metric.name for metric in METRICS}
    pods = {pod.name for pod in monitored.release.pods()}
    for metric in METRICS:
        found = monitored.prometheus.query(PREFIX + metric.name)
        assert {sample.labels["pod"] for sample in found} == pods, metric.name
        values = {(sample.labels["pod"], sample.labels.get(metric.label, "")) for sample in found}
        if not metric.label or metric.values:
            assert values == {(pod, value) for pod in pods for value in metric.values or ("",)}, metric.name
        assert len(found) == len(values), metric.name


def test_no_documented_alert_is_raised_by_a_release_at_full_strength(monitored: Monitored) -> None:
    assert len(EXPRESSIONS) >= 5
    primary = monitored.release.primary().name
    monitored.release.wait("the metrics name the primary", lambda: monitored.is_as_with_primary(primary), SEEN_SECONDS)
    assert [alert for alert in (*EXPRESSIONS, FAILOVERS) if monitored.prometheus.query(alert)] == []


def test_a_failover_is_seen(monitored: Monitored) -> None:
    """The primary's server is killed: the metrics name the next primary, its term and the time and cause of its promotion."""
    release, begun = monitored.release, time.time()
    old, term = release.primary().name, release.lease()["term"]
    acts.kill_postmaster_by_exec(release, release.primary())
    release.wait("another primary", lambda: release.at_full_strength() and release.primary().name != old, FAILOVER_SECONDS)
    new = release.primary().name
    release.wait("the metrics name it", lambda: monitored.is_as_with_primary(new), SEEN_SECONDS)
    assert min(monitored.by_pod("term").values()) > term
    causes = monitored.prometheus.values(f'{PREFIX}promoted_timestamp_seconds{{pod="{new}"}} > 0', label="cause")
    [(cause, promoted)] = causes.items()
    assert cause not in ("switchover", "deletion", "start")
    assert begun - 1 < promoted < time.time() + 1  # the metric has whole seconds
    assert set(monitored.prometheus.values(FAILOVERS)) == {new}
    [*said] = monitored.prometheus.query(f"max_over_time({PREFIX}primary[10m]) == 1")
    assert {sample.labels["pod"] for sample in said} == {old, new}
