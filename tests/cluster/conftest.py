"""The fixtures of the cluster, for the tests of the cluster itself."""

from tests.cluster.fixtures import cluster, node_faults

__all__ = ["cluster", "node_faults"]
