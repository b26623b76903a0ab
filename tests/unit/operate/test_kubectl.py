"""How kubectl is called, and how its failures are reported. A script stands for kubectl and records
its arguments.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hapg.operate.kubectl import Kubectl, KubectlError


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that writes its arguments to `given`, prints `out` and `err`, and ends with the code in `code`."""
    script = f"#!/bin/bash\nprintf '%s\\n' \"$@\" >{tmp_path}/given\ncat {tmp_path}/out\ncat {tmp_path}/err >&2\nexit $(<{tmp_path}/code)\n"
    script = script.replace("cat", f"cat >{tmp_path}/stdin\ncat", 1)
    program = tmp_path / "kubectl"
    program.write_text(script)
    program.chmod(0o755)
    for name, text in (("out", ""), ("err", ""), ("code", "0")):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def given(folder: Path) -> list[str]:
    return (folder / "given").read_text().splitlines()


def test_options_are_passed_on(kubectl: Path) -> None:
    (kubectl / "out").write_text('{"kind": "Lease"}')
    assert Kubectl("demo", "prod", "/etc/kube").find("lease", "pg") == {"kind": "Lease"}
    assert given(kubectl) == [
        *("--context=prod", "--kubeconfig=/etc/kube", "--namespace=demo", "--request-timeout=15s"),
        *("get", "lease", "pg", "--ignore-not-found", "--output", "json"),
    ]


def test_nothing_is_none(kubectl: Path) -> None:
    assert Kubectl().find("lease", "pg") is None
    assert "--namespace" not in " ".join(given(kubectl))


def test_a_selection(kubectl: Path) -> None:
    (kubectl / "out").write_text('{"items": [{"a": 1}]}')
    assert Kubectl("demo").select("pods", {"b": "2", "a": "1"}) == [{"a": 1}]
    assert given(kubectl)[2:] == ["get", "pods", "--selector", "a=1,b=2", "--output", "json"]


def test_an_annotation_is_for_one_pod_of_that_name_only(kubectl: Path) -> None:
    Kubectl("demo").annotate("pg-0", "u0", {"x/y": "1", "x/z": None})
    arguments = given(kubectl)
    assert arguments[2:7] == ["patch", "pod", "pg-0", "--type", "merge"]
    assert json.loads(arguments[8]) == {"metadata": {"uid": "u0", "annotations": {"x/y": "1", "x/z": None}}}


def test_the_namespace_of_the_context(kubectl: Path) -> None:
    assert Kubectl("demo").namespace == "demo"
    assert Kubectl().namespace == "default"
    (kubectl / "out").write_text("mine")
    assert Kubectl().namespace == "mine"


def test_a_failure_is_repeated_in_one_line(kubectl: Path) -> None:
    (kubectl / "err").write_text('Error from server (Forbidden): pods is forbidden:\nUser "x" cannot list\n')
    (kubectl / "code").write_text("1")
    with pytest.raises(KubectlError) as caught:
        Kubectl("demo").select("pods", {"a": "1"})
    assert str(caught.value) == 'kubectl get pods --selector: Error from server (Forbidden): pods is forbidden: User "x" cannot list'


@pytest.mark.parametrize("text", ["not JSON", "[]"])
def test_something_else_than_an_object(kubectl: Path, text: str) -> None:
    (kubectl / "out").write_text(text)
    with pytest.raises(KubectlError, match="kubectl printed"):
        Kubectl("demo").find("lease", "pg")


def test_no_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KubectlError, match="kubectl not found on PATH"):
        Kubectl().find("lease", "pg")


def test_all_objects_of_a_kind(kubectl: Path) -> None:
    (kubectl / "out").write_text('{"items": [{"a": 1}]}')
    assert Kubectl("demo").all("lease") == [{"a": 1}]
    assert given(kubectl)[2:] == ["get", "lease", "--output", "json"]


def test_a_deletion_does_not_wait(kubectl: Path) -> None:
    Kubectl("demo").delete("lease", "pg")
    assert given(kubectl)[2:] == ["delete", "lease", "pg", "--ignore-not-found", "--wait=false", "--output", "name"]


def execute(limit: float | None = 10.0) -> tuple[int, list[str]]:
    lines: list[str] = []
    code = Kubectl("demo").execute("pg-0", "backup", ("hapg-backup", "request", "info"), lines.append, limit)
    return code, lines


def test_a_command_in_a_container(kubectl: Path) -> None:
    (kubectl / "out").write_text("one\ntwo\n")
    assert execute() == (0, ["one", "two"])
    assert given(kubectl) == ["--namespace=demo", "exec", "pg-0", "--container", "backup", "--", "hapg-backup", "request", "info"]


def test_the_exit_code_of_a_command_in_a_container_is_its_own(kubectl: Path) -> None:
    (kubectl / "out").write_text("busy\n")
    (kubectl / "err").write_text("command terminated with exit code 75\n")
    (kubectl / "code").write_text("75")
    assert execute() == (75, ["busy"])


def test_a_failure_of_kubectl_is_not_taken_for_one_of_the_command(kubectl: Path) -> None:
    (kubectl / "err").write_text('Error from server (NotFound): pods "pg-0" not found\n')
    (kubectl / "code").write_text("1")
    with pytest.raises(KubectlError) as caught:
        execute()
    assert str(caught.value) == 'kubectl exec pg-0: Error from server (NotFound): pods "pg-0" not found'


def test_a_command_that_does_not_end_is_given_up(kubectl: Path) -> None:
    (kubectl / "kubectl").write_text("#!/bin/bash\nexec sleep 60\n")
    with pytest.raises(KubectlError, match=r"kubectl exec pg-0: no end after 0\.2 s"):
        execute(0.2)


def test_resize_changes_an_object_or_only_asks(kubectl: Path) -> None:
    Kubectl("demo").patch("persistentvolumeclaim", "data-pg-0", {"spec": {"a": 1}})
    assert given(kubectl)[2:] == [
        *("patch", "persistentvolumeclaim", "data-pg-0", "--type", "merge", "--patch", '{"spec": {"a": 1}}', "--output", "name")
    ]
    Kubectl("demo").patch("persistentvolumeclaim", "data-pg-0", {}, dry_run=True)
    assert given(kubectl)[-1] == "--dry-run=server"


def test_resize_creates_an_object_from_standard_input(kubectl: Path) -> None:
    Kubectl("demo").create({"kind": "ConfigMap"}, "me")
    assert given(kubectl)[2:] == ["create", "--filename", "-", "--field-manager", "me", "--output", "name"]
    assert (kubectl / "stdin").read_text() == '{"kind": "ConfigMap"}'


def test_resize_deletes_an_object_only_if_it_is_the_one_that_was_seen(kubectl: Path) -> None:
    Kubectl("demo").erase("/api/v1/namespaces/demo/pods/pg-0", "u0")
    assert given(kubectl)[2:] == ["delete", "--raw", "/api/v1/namespaces/demo/pods/pg-0", "--filename", "-"]
    head = {"apiVersion": "v1", "kind": "DeleteOptions"}
    assert json.loads((kubectl / "stdin").read_text()) == {**head, "preconditions": {"uid": "u0"}}
    Kubectl("demo").erase("/x", "u0", "7", orphan=True, dry_run=True)
    options = {"preconditions": {"uid": "u0", "resourceVersion": "7"}, "propagationPolicy": "Orphan", "dryRun": ["All"]}
    assert json.loads((kubectl / "stdin").read_text()) == {**head, **options}


def test_an_interrupt_while_kubectl_starts_takes_nothing_from_its_input(kubectl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl goes on for a moment then. Without its input it would delete an object whatever UID that has."""
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            if self.stdin is not None:
                self.stdin.close()
                self.stdin = None
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Kubectl("demo").erase("/x", "u0")
    [process] = started
    process.communicate()
    assert json.loads((kubectl / "stdin").read_text())["preconditions"] == {"uid": "u0"}


def test_resize_asks_for_rights(kubectl: Path) -> None:
    (kubectl / "out").write_text("no\n")
    (kubectl / "code").write_text("1")
    assert Kubectl("demo").may("create", "statefulsets.apps") is False
    assert given(kubectl)[2:] == ["auth", "can-i", "create", "statefulsets.apps"]
    (kubectl / "out").write_text("yes\n")
    (kubectl / "code").write_text("0")
    assert Kubectl("demo").may("create", "statefulsets.apps") is True
    (kubectl / "out").write_text("")
    (kubectl / "err").write_text("Unable to connect")
    with pytest.raises(KubectlError, match=r"can-i create statefulsets\.apps: Unable to connect"):
        Kubectl("demo").may("create", "statefulsets.apps")
