"""An S3 server in a namespace: versitygw, with TLS, in front of a pod's emptyDir."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import chosen
from tests.cluster.images import OBJECT_STORE_IMAGE
from tests.robustness import programs
from tests.robustness.certificates import Authority
from tests.robustness.client import restricted_pod
from tests.robustness.programs import Namespace

NAME = "object-store"
PORT = 9000
BUCKET = "backups"
READY_SECONDS = 120


def _key() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class ObjectStore:
    """The server and its only account. Its keys are random, so that a test can look for them wherever they must not be."""

    namespace: Namespace
    access_key: str = field(default_factory=_key)
    secret_key: str = field(default_factory=_key)

    @property
    def host(self) -> str:
        """The host name in its certificate."""
        return f"{NAME}.{self.namespace.name}.svc"

    @property
    def endpoint(self) -> str:
        """Host and port, as pgBackRest wants them."""
        return f"{self.host}:{PORT}"

    def start(self, certificate: dict[str, object]) -> None:
        """Start it and wait until it is ready. certificate: a Secret of the type kubernetes.io/tls for `host`."""
        metadata = certificate["metadata"]
        assert isinstance(metadata, dict)
        arguments = ["--port", f":{PORT}", "--cert", "/tls/tls.crt", "--key", "/tls/tls.key", "--health", "/health", "--quiet"]
        container: dict[str, object] = {
            "name": NAME,
            "image": OBJECT_STORE_IMAGE,
            "args": [*arguments, "posix", "--sidecar", "/store/metadata", "/store/buckets"],
            "env": [{"name": "ROOT_ACCESS_KEY_ID", "value": self.access_key}, {"name": "ROOT_SECRET_ACCESS_KEY", "value": self.secret_key}],
            "readinessProbe": {"httpGet": {"path": "/health", "port": PORT, "scheme": "HTTPS"}, "periodSeconds": 1},
            # A directory in /store/buckets is a bucket. kubelet creates the directories of the two mounts with a subPath.
            "volumeMounts": [
                {"name": "data", "mountPath": "/store"},
                {"name": "data", "mountPath": "/bucket", "subPath": f"buckets/{BUCKET}"},
                {"name": "data", "mountPath": "/metadata", "subPath": "metadata"},
                {"name": "tls", "mountPath": "/tls", "readOnly": True},
            ],
        }
        volumes = [{"name": "data", "emptyDir": {}}, {"name": "tls", "secret": {"secretName": metadata["name"], "defaultMode": 0o440}}]
        pod = restricted_pod(NAME, container, volumes=volumes, terminationGracePeriodSeconds=2)
        pod["metadata"] = {"name": NAME, "labels": {"app": NAME}}
        spec = pod["spec"]
        assert isinstance(spec, dict)
        spec["securityContext"]["fsGroup"] = 999
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT}]},
        }
        self.namespace.apply(certificate, pod, service)
        self.namespace.kubectl("wait", "--for=condition=Ready", f"--timeout={READY_SECONDS}s", f"pod/{NAME}")

    def archiver(self, path: str, credentials: str) -> dict[str, str]:
        """The values of the chart's archiver. path: a folder in the bucket; credentials: the name of the Secret with `credentials`."""
        return {
            "type": "s3",
            "bucket": BUCKET,
            "endpoint": self.endpoint,
            "uriStyle": "path",
            "path": path,
            "secretName": credentials,
        }

    def credentials(self, name: str, authority: str, *, secret_key: str = "") -> dict[str, object]:
        """The Secret for the chart's archiver. authority: PEM; secret_key: instead of its own, for one that it refuses."""
        data = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": secret_key or self.secret_key, "CA_CERT_DATA": authority}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
        }


@contextmanager
def running(prefix: str, folder: Path) -> Iterator[tuple[ObjectStore, Authority]]:
    """A server in a namespace of its own, and the authority of its certificate. folder: for the keys.

    Raise ClusterError if the cluster is not one of ours: its image can't be loaded into another.
    """
    chosen.load_object_store()
    authority = Authority(folder, "store")
    with programs.namespace(prefix) as namespace:
        made = ObjectStore(namespace)
        made.start(authority.secret("object-store-tls", made.host))
        yield made, authority
