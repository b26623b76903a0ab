"""The objects through which Prometheus finds the metrics."""

from __future__ import annotations

from pathlib import Path

from tests.chart import helm

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


def test_no_other_service_is_chosen_by_the_service_monitor() -> None:
    found = helm.objects(*OPERATOR)
    wanted = found["ServiceMonitor", "ha-postgres.demo"]["spec"]["selector"]["matchLabels"].items()
    chosen = [name for (kind, name), document in found.items() if kind == "Service" and wanted <= document["metadata"]["labels"].items()]
    assert chosen == ["ha-postgres-stats"]


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
