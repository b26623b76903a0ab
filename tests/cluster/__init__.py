"""A real three-node Kubernetes on one Linux machine, without Docker, for the end-to-end and fault tests.

The control plane runs on the host; every node is a pair of network and mount namespaces with a containerd,
a kubelet and a kube-proxy of its own, so that a node can really be partitioned or powered off.
Command line: ``python -m tests.cluster --help``; for tests: ``tests.cluster.nodes`` and ``tests.cluster.fixtures``.
"""
