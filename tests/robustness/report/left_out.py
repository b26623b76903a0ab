"""Scenarios of the field that no test of this folder does, with the reason."""

LEFT_OUT = {
    "a network volume that two nodes mount at once": (
        "the local cluster has local volumes only; the lock on the volume is tested in `tests/supervisor`, and can't see another host"
    ),
    "a virtual machine that is paused, migrated or has its clock changed": (
        "nodes are network namespaces of one machine with one clock; clocks of different rates are simulated in `tests/simulation`"
    ),
    "a clock that jumps by an hour, either way": (
        "the machine's one clock is that of etcd, the API server and everything else on it, too; nothing is decided by the wall clock: "
        "`tests/unit/test_house.py` sees that it is used in log lines, Events, a figure and the Lease's `renewTime` alone"
    ),
    "a volume that is grown while it is full": "the storage class of the tests can't grow a claim; `disks` frees the room instead",
    "synchronous replication of PostgreSQL 9.6": "faults are done to PostgreSQL 15; that a commit waits is seen in `tests/supervisor`",
}
