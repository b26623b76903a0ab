"""The objects through which Prometheus finds the metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chart import helm, kubernetes_schemas

BUILTIN = helm.values({"monitor": {"agent": "prometheus.io/builtin"}})
OPERATOR = helm.values(
    {
        "monitor": {
            "agent": "prometheus.io/coreos-operator",
            "prometheus": {"namespace": "monitoring", "labels": {"release": "prometheus"}, "interval": "10s", "port": 56790},
        }
    }
)


def test_nothing_is_there_unless_asked_for() -> None:
    assert not [key for key in helm.objects() if key == ("Service", "ha-postgres-stats") or key[0] == "ServiceMonitor"]


def test_prometheus_reads_annotations() -> None:
    service = helm.objects(*BUILTIN)["Service", "ha-postgres-stats"]
    assert service["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/scheme": "http",
        "prometheus.io/path": "/metrics",
        "prometheus.io/port": "8008",
    }
    (port,) = service["spec"]["ports"]
    served = {each["name"]: each["containerPort"] for each in helm.containers(helm.pod(*BUILTIN)["spec"])["failover"]["ports"]}
    assert str(served[port["targetPort"]]) == service["metadata"]["annotations"]["prometheus.io/port"]
    assert not [kind for kind, _ in helm.objects(*BUILTIN) if kind == "ServiceMonitor"]


def test_the_operator_reads_a_service_monitor() -> None:
    found = helm.objects(*OPERATOR)
    service, monitor = found["Service", "ha-postgres-stats"], found["ServiceMonitor", "ha-postgres.demo"]
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["demo"]}
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = service["spec"]["ports"]
    assert endpoint == {"port": port["name"], "path": "/metrics", "interval": "10s"}
    assert port["port"] == 56790
    assert "annotations" not in service["metadata"]


@pytest.mark.parametrize("archived", [False, True])
def test_the_service_monitor_chooses_the_services_of_the_metrics_only(archived: bool) -> None:
    options = (*OPERATOR, *helm.example("s3")) if archived else OPERATOR
    found = helm.objects(*options)
    monitor = found["ServiceMonitor", "ha-postgres.demo"]["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    chosen = [service for (kind, _), service in found.items() if kind == "Service" and wanted <= service["metadata"]["labels"].items()]
    expected = {"ha-postgres-stats": "failover", "ha-postgres-backup-stats": "backup"}
    assert [service["metadata"]["name"] for service in chosen] == list(expected)[: 1 + archived]
    (endpoint,) = monitor["endpoints"]
    pod = helm.pod(*options)
    for service in chosen:
        assert service["metadata"]["namespace"] in monitor["namespaceSelector"]["matchNames"]
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        (target,) = [port["targetPort"] for port in service["spec"]["ports"] if port["name"] == endpoint["port"]]
        served = helm.containers(pod["spec"])[expected[service["metadata"]["name"]]]["ports"]
        assert target in [port["name"] for port in served]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"endpoints": [{"port": "metrics", "scrapeEvery": "10s"}]}, "spec.endpoints[0]: Additional properties are not allowed"),
        ({"endpoints": [{"port": "metrics", "interval": "often"}]}, "spec.endpoints[0].interval: 'often' does not match"),
        ({"endpoints": [{"port": 8008}]}, "spec.endpoints[0].port: 8008 is not of type 'string'"),
        ({"endpoint": []}, "spec: Additional properties are not allowed"),
    ],
)
def test_a_service_monitor_that_the_operator_would_not_read_is_found(change: dict[str, object], said: str) -> None:
    monitor = helm.objects(*OPERATOR)["ServiceMonitor", "ha-postgres.demo"]
    assert not kubernetes_schemas.problems(monitor, helm.KUBERNETES)
    (problem,) = kubernetes_schemas.problems({**monitor, "spec": {**monitor["spec"], **change}}, helm.KUBERNETES)
    assert problem.startswith(f"ServiceMonitor.{said}")


def test_it_is_none_of_the_databases_services() -> None:
    assert not [key for key in helm.objects(*BUILTIN)["Service", "ha-postgres-stats"]["metadata"]["labels"] if key.startswith("kubedb.com")]


def test_an_interval_that_is_none_is_refused() -> None:
    said = helm.refusal("--set", "monitor.prometheus.interval=often")
    assert "- at '/monitor/prometheus/interval': 'often' does not match pattern" in said


def test_kubeconform(location: str, tmp_path: Path) -> None:
    for name, options in (("builtin", BUILTIN), ("operator", OPERATOR)):
        (tmp_path / f"{name}.yaml").write_text(helm.text(*options))
        done = helm.run("kubeconform", "-strict", "-summary", "-schema-location", location, str(tmp_path / f"{name}.yaml"))
        assert done.returncode == 0, done.stdout
        assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_the_scheduler() -> None:
    assert helm.pod("--set", "schedulerName=volcano")["spec"]["schedulerName"] == "volcano"
    assert "schedulerName" not in helm.pod()["spec"]
