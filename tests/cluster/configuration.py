"""Command lines and configuration files of the control plane and the nodes."""

import json
from pathlib import Path

import yaml

from tests.cluster import audit, files
from tests.cluster.paths import CLUSTER, PKI, node_directory
from tests.cluster.pki import kubeconfig
from tests.cluster.supervise import Component
from tests.cluster.topology import (
    CGROUP,
    DNS_SERVICE,
    HOST_ADDRESS,
    NETWORK,
    NODES,
    POD_RANGE,
    SERVICE_RANGE,
    Node,
)

PAUSE_IMAGE = "localhost/pause:1"
_ETCD = "http://127.0.0.1:2379"
_ETCD_PEERS = "http://127.0.0.1:2380"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
_CONTAINERD_READY = "Start streaming server"
_LOCAL_PATH_CONFIGURATION = CLUSTER / "local-path.json"
_RESOLV_CONF = CLUSTER / "resolv.conf"


def first_components(binaries: dict[str, Path]) -> list[Component]:
    """etcd and the API server; `binaries` has the path of every program by name."""
    etcd = [
        str(binaries["etcd"]),
        f"--data-dir={CLUSTER / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEERS}",
        f"--initial-advertise-peer-urls={_ETCD_PEERS}",
        f"--initial-cluster=default={_ETCD_PEERS}",
        "--unsafe-no-fsync",
    ]
    apiserver = [
        str(binaries["kube-apiserver"]),
        f"--etcd-servers={_ETCD}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--secure-port=6443",
        f"--bind-address={NETWORK.anywhere}",
        f"--advertise-address={HOST_ADDRESS}",
        f"--client-ca-file={PKI / 'ca.crt'}",
        f"--tls-cert-file={PKI / 'apiserver.crt'}",
        f"--tls-private-key-file={PKI / 'apiserver.key'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={PKI / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={PKI / 'service-accounts.key'}",
        f"--kubelet-client-certificate={PKI / 'admin.crt'}",
        f"--kubelet-client-key={PKI / 'admin.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        *audit.options(),
    ]
    return [Component("etcd", tuple(etcd)), Component("kube-apiserver", tuple(apiserver))]


def second_components(binaries: dict[str, Path]) -> list[Component]:
    """Controller manager, scheduler and volume provisioner, which need the API server with the manifests.

    The provisioner runs beside the control plane, so that the loss of a node never affects it.
    """

    def client(name: str) -> list[str]:
        path = kubeconfig(name)
        options = [f"--{kind}={path}" for kind in ("authentication-kubeconfig", "authorization-kubeconfig")]
        return [f"--kubeconfig={path}", *options, "--leader-elect=false"]

    manager = [
        str(binaries["kube-controller-manager"]),
        *client("controller-manager"),
        f"--root-ca-file={PKI / 'ca.crt'}",
        f"--service-account-private-key-file={PKI / 'service-accounts.key'}",
        "--use-service-account-credentials",
    ]
    provisioner = [
        str(binaries["local-path-provisioner"]),
        "start",
        f"--kubeconfig={kubeconfig('admin')}",
        f"--config={_LOCAL_PATH_CONFIGURATION}",
        "--namespace=local-path-storage",
    ]
    return [
        Component("kube-controller-manager", tuple(manager)),
        Component("kube-scheduler", (str(binaries["kube-scheduler"]), *client("scheduler"))),
        Component("local-path-provisioner", tuple(provisioner)),
    ]


def names(node: Node) -> list[str]:
    """The component names of a node, in start order."""
    return [f"{program}-{node.name}" for program in ("containerd", "kubelet", "kube-proxy")]


def containerd(node: Node) -> Component:
    """The node's container runtime."""
    argv = ("containerd", "--config", str(node_directory(node.name) / "containerd.toml"))
    return Component(f"containerd-{node.name}", argv, node.name)


def node_components(node: Node, binaries: dict[str, Path]) -> list[Component]:
    """The node's kubelet and kube-proxy."""
    folder = node_directory(node.name)
    kubelet = [
        str(binaries["kubelet"]),
        f"--config={folder / 'kubelet.yaml'}",
        f"--kubeconfig={kubeconfig(node.name)}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
    ]
    proxy = (str(binaries["kube-proxy"]), f"--config={folder / 'kube-proxy.yaml'}")
    return [
        Component(f"kubelet-{node.name}", tuple(kubelet), node.name, (f"containerd-{node.name}", _CONTAINERD_READY)),
        Component(f"kube-proxy-{node.name}", proxy, node.name),
    ]


def write() -> None:
    """Writes all configuration files into the cluster's folder, and creates the nodes' folders."""
    files.write(_RESOLV_CONF, "")
    audit.write_policy()
    volumes = [{"node": node.name, "paths": [str(node_directory(node.name) / "volumes")]} for node in NODES]
    files.write_json(_LOCAL_PATH_CONFIGURATION, {"nodePathMap": volumes})
    for node in NODES:
        folder = node_directory(node.name)
        for name in ("kubelet", "cni-results", "log", "volumes"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "cni" / "10-pods.conflist", _cni(node))
        files.write(folder / "containerd.toml", _containerd_toml(folder))
        files.write(folder / "kubelet.yaml", yaml.safe_dump(_kubelet(node)))
        files.write(folder / "kube-proxy.yaml", yaml.safe_dump(_kube_proxy(node)))


def _cni(node: Node) -> dict[str, object]:
    ipam = {
        "type": "host-local",
        "dataDir": str(node_directory(node.name) / "addresses"),
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": f"{NETWORK.anywhere}/0"}],
    }
    plugin = {"type": "ptp", "ipMasq": False, "ipam": ipam}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [plugin]}


def _containerd_toml(folder: Path) -> str:
    def text(value: Path | str) -> str:
        return json.dumps(str(value))

    return f"""version = 2
root = {text(folder / "containerd")}
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "{_CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = {text(folder / "containerd" / "opt")}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = {text(folder / "cni")}
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
"""


def _kubelet(node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "x509": {"clientCAFile": str(PKI / "ca.crt")},
            "webhook": {"enabled": True},
            "anonymous": {"enabled": False},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / f"{node.name}.crt"),
        "tlsPrivateKeyFile": str(PKI / f"{node.name}.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}/{node.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{_CONTAINERD_SOCKET}",
        "resolvConf": str(_RESOLV_CONF),
        "volumePluginDir": str(node_directory(node.name) / "volume-plugins"),
        "localStorageCapacityIsolation": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
    }


def _kube_proxy(node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig("kube-proxy"))},
        "mode": "iptables",
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": node.name,
        "conntrack": {"maxPerCore": 0},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
