"""Patroni in Kubernetes mode, on the same cluster, under the same writers and faults."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from string import Template
from typing import ClassVar

from tests.bench.patroni import image
from tests.bench.patroni.image import FOLDER, IMAGE
from tests.bench.systems import System, seconds
from tests.cluster import local
from tests.robustness.release import LOG_LINES, ROLE, Pod

SWITCHOVER = """
import json, sys, urllib.request
body = json.dumps({"leader": sys.argv[1]}).encode()
urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8008/switchover", body), timeout=120)
"""
"""The REST API, which patronictl uses as well."""
MEMBERS = """
import json, urllib.request
found = json.load(urllib.request.urlopen("http://127.0.0.1:8008/cluster", timeout=5))
for member in found["members"]:
    print(*(member.get(name, "-") for name in ("name", "role", "state", "timeline", "lag")))
"""
"""Prints what this member knows of all."""


@dataclass
class Patroni(System):
    """With the times that Patroni has by default."""

    system = "patroni"
    ttl_s = 30.0
    renew_s = 10.0
    containers = ("postgres",)
    agent = "postgres"
    agent_command = "patroni"
    retry_timeout: ClassVar[int] = 10

    def prepare(self) -> None:
        """See System."""
        local.load([image.ensure()])

    def deploy(self) -> None:
        """See System."""
        self.namespace.kubectl("apply", "--filename", "-", stdin=self.manifests(secrets.token_urlsafe(24)))

    def manifests(self, password: str) -> str:
        """Everything that it consists of, as YAML."""
        facts = {"name": self.name, "namespace": self.namespace.name, "image": IMAGE, "storage_class": self.storage_class}
        times = {"ttl": int(self.ttl_s), "loop_wait": int(self.renew_s), "retry_timeout": self.retry_timeout}
        template = Template((FOLDER / "patroni.yaml").read_text(encoding="utf-8"))
        configuration = template.substitute(facts, **times, parameters=json.dumps(dict(self.mode.parameters)))
        text = (FOLDER / "manifests.yaml").read_text(encoding="utf-8")
        more = {"configuration": json.dumps(configuration), "password": password, "storage": self.mode.storage}
        return Template(text).substitute(facts, **more)

    def switch_over(self, primary: Pod) -> None:
        """See System."""
        self.inside(primary.name, "python3", "-c", SWITCHOVER, primary.name)

    def describe(self) -> str:
        """See Release."""
        kubectl = self.namespace.try_kubectl
        parts = [kubectl("get", "pods", "--output", "wide", "--label-columns", ROLE).text]
        for pod in (f"{self.name}-{number}" for number in range(self.replicas)):
            parts.append(f"--- {pod}")
            parts.append(self.try_inside(pod, "python3", "-c", MEMBERS).text)
            parts.append(kubectl("logs", pod, "--container", "postgres", "--tail", LOG_LINES).text)
        return "\n".join(parts)

    def renewed_at(self) -> float:
        """See System."""
        return seconds(self.namespace.get("endpoints", self.name)["metadata"]["annotations"]["renewTime"])

    def version(self) -> str:
        """See System."""
        found = re.search(r"^patroni\S*==(\S+)", (FOLDER / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
        assert found is not None
        return f"Patroni {found[1]}, ttl {self.ttl_s:.0f}, loop_wait {self.renew_s:.0f}, retry_timeout {self.retry_timeout}"


@dataclass
class FastPatroni(Patroni):
    """With the shortest times that Patroni accepts."""

    system = "patroni-fast"
    ttl_s = 20.0
    renew_s = 1.0
    retry_timeout = 3
