"""A file with more than a Postgres object."""

from __future__ import annotations

from pathlib import Path

import pytest

from hapg.cli import main
from hapg.errors import InputError
from hapg.spec import parser
from tests.unit.generator.conftest import HOT, WARM

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: demo\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: own\nstringData:\n  POSTGRES_PASSWORD: hunter2\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: db\nspec: {}\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"
DORMANT = """
apiVersion: kubedb.com/v1alpha1
kind: DormantDatabase
metadata:
  name: x
  labels: {kubedb.com/kind: Postgres}
  finalizers: [kubedb.com]
spec:
  origin:
    metadata:
      name: orders
      namespace: demo
      creationTimestamp: null
      labels: {a: b}
    spec:
      postgres: {version: "15", replicas: 2, standbyMode: hot, doNotPause: true}
status: {phase: Paused}
"""
SNAPSHOT = "apiVersion: kubedb.com/v1alpha1\nkind: Snapshot\nmetadata:\n  name: x\n"


def stream(*documents: str) -> bytes:
    return "---\n".join(documents).encode()


def advice(*documents: str) -> list[str]:
    beside = ("ignored", "password")
    return [str(piece) for piece in parser.parse(stream(*documents), "pg.yaml").advice if piece.id in beside]


def refusals(*documents: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parser.parse(stream(*documents), "pg.yaml")
    return caught.value.problems


def test_what_stands_beside_the_object_is_named_as_ignored() -> None:
    assert advice(NAMESPACE, WARM, SECRET, SERVICE, CONFIG_MAP) == [
        "pg.yaml:1: Namespace demo is not part of the chart; `helm install --create-namespace` creates it [ignored]",
        "pg.yaml:22: Secret own is not part of the chart; apply it yourself, because a chart contains no password [ignored]",
        "pg.yaml:22: Secret own contains secrets in plain text; keep the file out of Git [password]",
        "pg.yaml:29: Service db is not part of the chart; the chart has its own Services; change them with the values service.* [ignored]",
        "pg.yaml:35: ConfigMap is not part of the chart; apply it yourself [ignored]",
    ]


def test_the_object_is_read_as_if_it_were_alone() -> None:
    alone, beside = parser.parse(WARM.encode(), "pg.yaml"), parser.parse(stream(NAMESPACE, WARM), "pg.yaml")
    assert (beside.name, beside.defaults) == (alone.name, alone.defaults)


def test_the_short_form_may_have_company_too() -> None:
    assert advice(NAMESPACE, 'version: "15"\n')[0].startswith("pg.yaml:1: Namespace demo is not part of the chart")


def test_a_password_is_not_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pg.yaml").write_bytes(stream(SECRET, WARM))
    assert main(["generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("", {"pause": True, "wipeOut": False}),
        ("  wipeOut: true\n", {"pause": True, "wipeOut": True}),
        ("  resume: true\n", {"pause": False, "wipeOut": False}),
    ],
)
def test_a_dormant_database_becomes_a_paused_release(said: str, values: dict[str, bool]) -> None:
    found = parser.parse(DORMANT.replace("  origin:", f"{said}  origin:").encode(), "pg.yaml")
    assert found.name == "orders"
    expected = {"replicas": 2, "standbyMode": "hot", "storage": None, "doNotPause": True, **values}
    assert found.defaults == expected


def test_problems_of_a_dormant_database_name_its_own_paths() -> None:
    assert refusals(DORMANT.replace("replicas: 2", "replicas: 20, env: []")) == (
        "spec.origin.spec.postgres.env: the chart sets the environment; remove it and use the chart's values postgresql.parameters for "
        "settings, initdb.args for a new database, and extraEnv for the rest",
        "spec.origin.spec.postgres.replicas: 20 is not allowed; an integer from 1 to 9",
    )
    assert refusals(DORMANT.replace("name: orders", "name: Orders"))[0].startswith(
        'spec.origin.metadata.name: "Orders" is not a valid name'
    )
    assert refusals(DORMANT.replace("postgres:", "elasticsearch:"))[0].startswith("spec.origin.spec.elasticsearch: unknown key")
    assert refusals(DORMANT.replace("status:", "  wipeout: true\nstatus:")) == ("spec.wipeout: unknown key; did you mean wipeOut?",)
    place = [str(piece) for piece in parser.parse(DORMANT.encode(), "pg.yaml").advice if piece.id == "ephemeral"]
    assert [text.partition(":")[0] for text in place] == ["spec.origin.spec.postgres.storage"]


def test_a_dormant_database_beside_another_object() -> None:
    assert refusals(WARM, DORMANT) == ("pg.yaml: contains 2 Postgres objects; only one is allowed, so split the file",)


def test_a_snapshot() -> None:
    (sentence,) = refusals(WARM, SNAPSHOT)
    assert sentence == (
        "pg.yaml:17: Snapshot: there is no operator to take backups: with an archiver, `hapg backup now RELEASE` takes one; "
        "remove the document"
    )


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        ((WARM, HOT), "pg.yaml: contains 2 Postgres objects; only one is allowed, so split the file"),
        ((NAMESPACE, SECRET), "pg.yaml: contains no Postgres object"),
        (("# nothing\n",), "pg.yaml: contains no Postgres object"),
        (("",), "pg.yaml: contains no Postgres object"),
        (("- version\n",), 'pg.yaml:1: ["version"] is not a Postgres object; a mapping is expected'),
        ((WARM, "- x\n"), 'pg.yaml:17: ["x"] is not a Postgres object; a mapping is expected'),
        ((NAMESPACE,), 'apiVersion: "v1" is not allowed; kubedb.com/v1alpha1'),
    ],
)
def test_refused(documents: tuple[str, ...], sentence: str) -> None:
    assert sentence in refusals(*documents)
