"""Keys, certificates and kubeconfigs of the control plane and the nodes, created with openssl."""

import base64
from pathlib import Path

import yaml

from tests.cluster import files
from tests.cluster.commands import run
from tests.cluster.paths import CLUSTER, KUBECONFIG, PKI
from tests.cluster.topology import API_SERVER, API_SERVICE, HOST_ADDRESS, NODES

_DAYS = "3650"
_CURVE = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
_CONTROL_PLANE = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/O=system:kube-controller-manager/CN=system:kube-controller-manager",
    "scheduler": "/O=system:kube-scheduler/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
}
_API_SERVER_NAMES = (
    "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
    f"DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:{API_SERVICE},IP:{HOST_ADDRESS}"
)


def _key(name: str) -> Path:
    path = PKI / f"{name}.key"
    run(["openssl", "genpkey", *_CURVE, "-out", str(path)])
    path.chmod(0o600)
    return path


def _authority() -> None:
    key = _key("ca")
    subject = ["-subj", "/CN=ha-postgres-test-ca", "-days", _DAYS]
    run(["openssl", "req", "-x509", "-new", "-key", str(key), "-out", str(PKI / "ca.crt"), *subject])


def _certificate(name: str, subject: str, names: str) -> None:
    key, request, extensions = _key(name), PKI / f"{name}.csr", PKI / f"{name}.ext"
    run(["openssl", "req", "-new", "-key", str(key), "-subj", subject, "-out", str(request)])
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    signer = ["-CA", str(PKI / "ca.crt"), "-CAkey", str(PKI / "ca.key"), "-CAcreateserial", "-days", _DAYS]
    result = ["-extfile", str(extensions), "-out", str(PKI / f"{name}.crt")]
    run(["openssl", "x509", "-req", "-in", str(request), *signer, *result])
    request.unlink()
    extensions.unlink()


def kubeconfig(name: str) -> Path:
    """The kubeconfig of one client (`admin`, `scheduler`, `node1`, …)."""
    return KUBECONFIG if name == "admin" else CLUSTER / f"{name}.conf"


def _write_kubeconfig(name: str) -> None:
    def data(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    user = {
        "client-certificate-data": data(PKI / f"{name}.crt"),
        "client-key-data": data(PKI / f"{name}.key"),
    }
    server = {"server": API_SERVER, "certificate-authority-data": data(PKI / "ca.crt")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "ha-postgres", "cluster": server}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "ha-postgres", "context": {"cluster": "ha-postgres", "user": name}}],
        "current-context": "ha-postgres",
    }
    files.write(kubeconfig(name), yaml.safe_dump(content), mode=0o600)


def make() -> None:
    """Recreates everything in the cluster's folder."""
    PKI.mkdir(parents=True, exist_ok=True)
    _authority()
    _certificate("apiserver", "/CN=kube-apiserver", _API_SERVER_NAMES)
    for name, subject in _CONTROL_PLANE.items():
        _certificate(name, subject, f"DNS:{name}")
        _write_kubeconfig(name)
    for node in NODES:
        subject = f"/O=system:nodes/CN=system:node:{node.name}"
        _certificate(node.name, subject, f"DNS:{node.name},IP:{node.address}")
        _write_kubeconfig(node.name)
    service_accounts = _key("service-accounts")
    run(["openssl", "pkey", "-in", str(service_accounts), "-pubout", "-out", str(PKI / "service-accounts.pub")])
