"""Known failure scenarios without a test in tests/faults, with the reason."""

LEFT_OUT = {
    "two nodes mount one network volume at the same time": (
        "the local cluster has only local volumes; the lock on the volume is tested in `tests/supervisor`, and does not work across hosts"
    ),
    "a virtual machine is paused or migrated, or its clock is changed": (
        "nodes are network namespaces of one machine with one clock; different clock rates are simulated in `tests/simulation`"
    ),
    "a clock jumps by an hour in either direction": (
        "etcd, the API server and everything else share the machine's clock; no decision of a failover uses the wall clock: "
        "`tests/unit/test_house.py` checks that only log lines, Events, a metric and the Lease's `renewTime` use it"
    ),
    "a full volume is grown": "the StorageClass of the tests can't grow a claim; `disks` frees space instead",
    "synchronous replication on PostgreSQL 9.6": "faults run on PostgreSQL 15; `tests/supervisor` tests that a commit waits on 9.6",
}
