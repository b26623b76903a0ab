"""The example hooks, run between the real helm 3 or 4 and Kubernetes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml

from hapg import yamlio
from hapg.chart import manifests
from hapg.cli import main
from tests.chart import helm
from tests.cluster.paths import BIN
from tests.unit.generator.conftest import WARM

HOOKS = helm.EXAMPLES / "hooks"
SCRIPTS = Path(sys.executable).parent
OWNED = helm.values({"podAnnotations": {"example.com/owner": "orders", "example.com/cost-centre": "4711"}})
ALL = ("company", "pgbouncer", "network_policy", "owner")

Objects = dict[tuple[str, str], helm.Object]


class Helm:
    """helm with hapg as its post-renderer; version: helm3 or helm4."""

    def __init__(self, version: str, home: Path) -> None:
        self.version = version
        path = f"{SCRIPTS}:{BIN}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "HELM_DATA_HOME": str(home), "HELM_PLUGINS": str(home / "plugins")}
        if version == "helm4":
            folder = self.run(str(SCRIPTS / "hapg"), "post-render", "--helm-plugin").stdout.strip()
            assert self.run(str(BIN / "helm4"), "plugin", "install", folder).returncode == 0

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=self.environment)

    def template(self, *options: str, hooks: tuple[str, ...] = (), chart: Path = helm.CHART) -> subprocess.CompletedProcess[str]:
        arguments = [f"--hooks={HOOKS / name}.py" for name in hooks]
        if self.version == "helm3":
            arguments.insert(0, "post-render")
        renderer = ["--post-renderer", "hapg", *(f"--post-renderer-args={argument}" for argument in arguments)]
        command = ("template", "orders", str(chart), "--namespace", "demo", "--kube-version", helm.KUBERNETES)
        return self.run(str(BIN / self.version), *command, *renderer, *options)

    def objects(self, *options: str, hooks: tuple[str, ...]) -> Objects:
        done = self.template(*options, hooks=hooks)
        assert done.returncode == 0, done.stderr
        return objects(done.stdout)


def objects(text: str) -> Objects:
    return {(document["kind"], document["metadata"]["name"]): document for document in helm.documents(text)}


@pytest.fixture(scope="module", params=helm.HELM_4_SLOWLY)
def with_hooks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(request.param, tmp_path_factory.mktemp(request.param))


def pod_of(found: Objects) -> helm.Object:
    spec: helm.Object = found["StatefulSet", "orders-ha-postgres"]["spec"]["template"]["spec"]
    return spec


def test_the_examples_are_tested() -> None:
    assert {path.stem for path in HOOKS.glob("*.py")} == {*ALL, "publisher"}


def test_labels_on_every_object(with_hooks: Helm) -> None:
    for document in with_hooks.objects(hooks=("company",)).values():
        if "helm.sh/hook" not in document["metadata"].get("annotations", {}):
            assert document["metadata"]["labels"]["example.com/platform"] == "databases"


def test_labels_do_not_restart_the_servers(with_hooks: Helm) -> None:
    template = with_hooks.objects(hooks=("company",))["StatefulSet", "orders-ha-postgres"]["spec"]["template"]
    assert template == helm.objects(release="orders")["StatefulSet", "orders-ha-postgres"]["spec"]["template"]


def test_the_mirror_with_digests(tmp_path: Path) -> None:
    (tmp_path / "pg.yaml").write_text(WARM)
    assert main(["generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path), "--hooks", str(HOOKS / "company.py")]) == 0
    found = helm.objects(chart=tmp_path / "ha-postgres")
    images = {
        container["image"]
        for pod in (found["StatefulSet", "ha-postgres"]["spec"]["template"], found["Pod", "ha-postgres-test-primary"])
        for container in helm.containers(pod["spec"]).values()
    }
    assert {image.partition("@")[0] for image in images} == {
        "registry.example.com/mirror/postgres:15",
        "registry.example.com/mirror/ha-postgres-failover:0.1.0",
    }
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", image) for image in images)


def test_an_image_that_is_not_in_the_mirror(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pg.yaml").write_text(WARM.replace('"15"', '"15.4"'))
    assert main(["generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path / "out"), "--hooks", str(HOOKS / "company.py")]) == 2
    assert "the image postgres:15.4 is not in the mirror; available are postgres:15, ha-postgres-failover:0.1.0" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_publisher_of_a_packaged_chart(tmp_path: Path) -> None:
    (tmp_path / "pg.yaml").write_text(WARM)
    assert main(["generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path), "--hooks", str(HOOKS / "publisher.py")]) == 0
    repository = tmp_path / "repository"
    options = ["--url", "https://charts.example.com", "--helm", str(BIN / "helm3")]
    assert main(["package", str(tmp_path / "ha-postgres"), "-o", str(repository), *options]) == 0
    [entry] = yaml.safe_load((repository / "index.yaml").read_text(encoding="utf-8"))["entries"]["ha-postgres"]
    assert entry["maintainers"] == [{"name": "Orders", "email": "orders@example.com"}]
    assert (entry["home"], entry["icon"]) == ("https://example.com/charts/orders", "https://example.com/charts/orders.svg")
    assert {"artifacthub.io/images", "artifacthub.io/links", "artifacthub.io/changes", "artifacthub.io/signKey"} <= set(
        entry["annotations"]
    )


def test_the_pool(with_hooks: Helm) -> None:
    found = with_hooks.objects(hooks=("pgbouncer",))
    pool = helm.containers(pod_of(found))["pgbouncer"]
    service = found["Service", "orders-ha-postgres-pooler"]["spec"]
    assert service["selector"] == found["Service", "orders-ha-postgres"]["spec"]["selector"]
    assert service["ports"][0]["targetPort"] == pool["ports"][0]["name"]
    settings = found["ConfigMap", "orders-ha-postgres-pgbouncer"]["data"]["pgbouncer.ini"]
    assert f"listen_port = {pool['ports'][0]['containerPort']}\n" in settings
    volumes = {volume["name"]: volume for volume in pod_of(found)["volumes"]}
    assert {mount["name"] for mount in pool["volumeMounts"]} <= volumes.keys()
    assert volumes["pgbouncer-settings"]["configMap"]["name"] == "orders-ha-postgres-pgbouncer"
    assert pool["securityContext"] == helm.containers(pod_of(found))["postgres"]["securityContext"]


def test_the_databases_own_services_stay_two(with_hooks: Helm) -> None:
    found = with_hooks.objects(hooks=("pgbouncer",))
    listed = [name for (kind, name), each in found.items() if kind == "Service" and "kubedb.com/name" in each["metadata"]["labels"]]
    assert sorted(listed) == ["orders-ha-postgres", "orders-ha-postgres-replicas"]


def test_the_pools_start_writes_the_password_as_pgbouncer_reads_it(with_hooks: Helm, tmp_path: Path) -> None:
    script = helm.containers(pod_of(with_hooks.objects(hooks=("pgbouncer",))))["pgbouncer"]["command"][2]
    script = script.replace("/run/pgbouncer", str(tmp_path)).replace("exec pgbouncer", "exec echo")
    done = subprocess.run(
        ["/bin/sh", "-ec", script], env={**os.environ, "POSTGRES_PASSWORD": 'a"b%s\\n c'}, check=True, capture_output=True
    )
    assert (tmp_path / "users").read_text() == '"postgres" "a""b%s\\n c"\n'
    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o600
    assert done.stdout == b"/etc/pgbouncer/pgbouncer.ini\n"


def test_the_network_policy(with_hooks: Helm) -> None:
    found = with_hooks.objects(hooks=("network_policy", "pgbouncer"))
    policy = found["NetworkPolicy", "orders-ha-postgres"]["spec"]
    assert policy["podSelector"] == found["StatefulSet", "orders-ha-postgres"]["spec"]["selector"]
    own, clients, monitoring = policy["ingress"]
    assert own == {"from": [{"podSelector": policy["podSelector"]}]}
    assert [port["port"] for port in clients["ports"]] == ["postgresql", "pooler"]
    test = found["Pod", "orders-ha-postgres-test-primary"]["metadata"]["labels"].items()
    assert [each for each in clients["from"] if each["podSelector"]["matchLabels"].items() <= test]
    assert [port["port"] for port in monitoring["ports"]] == [helm.containers(pod_of(found))["failover"]["ports"][0]["name"]]


def test_owners_are_required(with_hooks: Helm) -> None:
    done = with_hooks.template(hooks=("owner",))
    assert done.returncode != 0
    assert done.stdout == ""
    assert f"{HOOKS / 'owner.py'}:" in done.stderr
    assert "podAnnotations: example.com/owner is missing; the name of a team in lower case is required" in done.stderr
    wrong = helm.values({"podAnnotations": {"example.com/owner": "orders", "example.com/cost-centre": "47"}})
    assert "example.com/cost-centre is '47'; a number of four digits is required" in with_hooks.template(*wrong, hooks=("owner",)).stderr


def test_owners_stand_on_every_object(with_hooks: Helm) -> None:
    for document in with_hooks.objects(*OWNED, hooks=("owner",)).values():
        if "helm.sh/hook" not in document["metadata"].get("annotations", {}):
            assert document["metadata"]["annotations"]["example.com/owner"] == "orders"


def test_all_of_them_together_are_valid(with_hooks: Helm, location: str, tmp_path: Path) -> None:
    done = with_hooks.template(*OWNED, hooks=ALL)
    assert done.returncode == 0, done.stderr
    (tmp_path / "all.yaml").write_text(done.stdout)
    checked = helm.run("kubeconform", "-strict", "-summary", "-schema-location", location, str(tmp_path / "all.yaml"))
    assert checked.returncode == 0, checked.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in checked.stdout


def test_helm_3_and_4_give_the_same_but_for_the_test(tmp_path: Path) -> None:
    """Helm 3 keeps its own hooks, of which `helm test` is one, from post-renderers."""
    three, four = (Helm(version, tmp_path / version).objects(*OWNED, hooks=ALL) for version in helm.VERSIONS)
    assert three.keys() == four.keys()
    assert [key for key in three if three[key] != four[key]] == [("Pod", "orders-ha-postgres-test-primary")]


def test_a_hook_that_does_nothing_changes_nothing(with_hooks: Helm, tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text("from hapg.hooks import hook\n\n\n@hook\ndef adjust_manifests(manifests):\n    pass\n")
    assert with_hooks.objects(hooks=(str(tmp_path / "idle"),)) == helm.objects(release="orders")


def test_argo_cd_runs_the_plugins_command(tmp_path: Path) -> None:
    generate = yaml.safe_load((HOOKS / "argo-cd-plugin.yaml").read_text())["spec"]["generate"]
    files = tmp_path / "app"
    assert main(["generate", "--all", "-o", str(tmp_path / "charts")]) == 0
    (tmp_path / "charts" / "ha-postgres-15").rename(files)
    (files / "hooks").mkdir()
    for name in ("owner", "pgbouncer"):
        (files / "hooks" / f"{name}.py").write_text((HOOKS / f"{name}.py").read_text())
    (files / "owned.yaml").write_text("podAnnotations: {example.com/owner: orders, example.com/cost-centre: '4711'}\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "helm").symlink_to(BIN / "helm3")
    argo = {"ARGOCD_APP_NAME": "orders", "ARGOCD_APP_NAMESPACE": "demo", "KUBE_VERSION": helm.KUBERNETES}
    environment = {**os.environ, **argo, "PATH": f"{tools}:{SCRIPTS}:{os.environ['PATH']}"}
    run = partial(subprocess.run, [*generate["command"], *generate["args"]], cwd=files, capture_output=True, text=True, check=False)
    done = run(env={**environment, "ARGOCD_ENV_VALUES": "owned.yaml"})
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)
    assert "pgbouncer" in helm.containers(pod_of(found))
    assert found["Service", "orders-ha-postgres"]["metadata"]["annotations"]["example.com/owner"] == "orders"
    assert run(env=environment).returncode != 0


TRICKY = [
    *("1e3", "1E5", ".5", "1.", "+1", "0x1F", "0o17", "017", "1_000", "12:30", "1:2:3", "2020-01-01", "NaN", ".inf", "-", "--- a", "..."),
    *("y", "n", "Yes", "off", "null", "~", "", "=", "<<", "- a", "a: b", "a #b", "# x", " a", "a ", "*a", "&a", "!a", "%a", "@a", "`a"),
    *(
        "multi\nline",
        "trailing\n",
        "\nleading",
        "tab\there",
        "a\r\nb",
        "é",
        "\u2028",
        "\ufeff",
        "\x07",
        "🐘",
        "'",
        '"',
        "\\",
        "{{ x }}",
        "[[ x ]]",
    ),
]


SCALARS = (
    *("y", "Y", "n", "N", "yes", "Yes", "YES", "yES", "on", "off", "Off", "true", "TRUE", "tRUE", "null", "Null", "~", "nULL", "="),
    *("0", "7", "-7", "+7", "007", "08", "0o7", "0O7", "-0o7", "0x1F", "0X1f", "-0x1f", "0b101", "-0b101", "1_000", "1__0", "1_", "_1"),
    *("-_1", "0x_ff", "0_7", "1_000.5", "1.5", ".5", "-.5", "1.", "1e3", "1E3", "1e+3", "1e-3", "1e400", "0x", "0b2", "0o8", "+", "-x"),
    *("1x", "1.2.3", "12:30", "190:20:30", "2020-01-01", "2020-01-01T00:00:00Z", "9223372036854775808", "18446744073709551615"),
    *("18446744073709551616", "123456789012345678901234567890", "1_2e3", "._5", ".e5", "+.5", "..", "1e", "0.1_0", "é", "a b", "50Mi"),
    *("9.6", "16.10", "<<x"),
)
"""Scalars without quotes: each reader has its own idea of what they are."""
KEYS = ("y", "No", "1_000", "0x10", "017", "12:30", "2020-01-01", "a", "'on'", '"1"')


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_what_helm_writes_keeps_the_meaning_that_helm_gives_it(version: str, tmp_path: Path) -> None:
    """As a value of .Values, which helm reads as it reads manifests: by sigs.k8s.io/yaml."""
    lines = [f"  s{index}: {text}\n" for index, text in enumerate(SCALARS)]
    content = "data:\n" + "".join(lines) + "keys:\n" + "".join(f"  {key}: 1\n" for key in KEYS)
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: echo\nversion: 1.0.0\n")
    (tmp_path / "in.yaml").write_text(content)
    (tmp_path / "templates" / "out.yaml").write_text('a: {{ .Files.Get "in.yaml" | fromYaml | toJson | quote }}\n')
    done = helm.run(version, "template", "echo", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (read,) = yamlio.load(content.encode(), "in.yaml")
    theirs, ours = json.loads(yaml.safe_load(done.stdout)["a"]), json.loads(json.dumps(read.value))
    assert _typed(ours) == _typed(theirs)


def _typed(found: dict[str, dict]) -> dict[str, dict]:
    """With each value's type. Numbers are floats, as they are to helm's templates."""
    return {
        name: {key: (type(value), value) if isinstance(value, (bool, str, type(None))) else float(value) for key, value in values.items()}
        for name, values in found.items()
    }


def test_a_failure_is_told_by_helm_4_where_its_standard_error_is_a_file(tmp_path: Path) -> None:
    """Helm 4 drops what a plugin has written; a file that is opened a second time would be written over by helm itself."""
    four = Helm("helm4", tmp_path / "helm4")
    (tmp_path / "bad.py").write_text("from hapg.hooks import hook\n\n\n@hook\ndef adjust_manifests(manifests):\n    1 / 0\n")
    command = ["template", "orders", str(helm.CHART), "--post-renderer", "hapg", f"--post-renderer-args=--hooks={tmp_path / 'bad.py'}"]
    with (tmp_path / "stderr").open("w") as file:
        done = subprocess.run([str(BIN / "helm4"), *command], stdout=subprocess.PIPE, stderr=file, check=False, env=four.environment)
    assert (done.returncode != 0, done.stdout) == (True, b"")
    said = (tmp_path / "stderr").read_text()
    assert said.startswith(f"error: {tmp_path}/bad.py:6: adjust_manifests failed: ZeroDivisionError: division by zero\nError: ")
    assert 'plugin "hapg" exited with error' in said


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_helm_reads_what_was_written(version: str, tmp_path: Path) -> None:
    content = {"list": TRICKY, "keys": dict.fromkeys(TRICKY, 1), "numbers": [0, -1, 2**53, 0.1, 1e-7, 1.5e300]}
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: echo\nversion: 1.0.0\n")
    (tmp_path / "templates" / "out.yaml").write_text("a: {{ .Values.data | toJson | quote }}\n")
    written = manifests.text([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": content}])
    (tmp_path / "values.yaml").write_text(written.removeprefix("---\n"))
    done = helm.run(version, "template", "echo", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(yaml.safe_load(done.stdout)["a"]) == content
