"""Every Event that a pod records about itself: its reason, its meaning, and the action to take.

The table in docs/operations.md is generated from this list; a test checks it against the code.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EventReason:
    """kind: Normal or Warning, as in Kubernetes; meaning and action: for people, in Markdown."""

    reason: str
    kind: str
    meaning: str
    action: str = ""


EVENT_REASONS = (
    EventReason("Promoted", "Normal", "this pod's server was promoted and takes writes"),
    EventReason("Switchover", "Normal", "the primary switches over, with the reason and the successor"),
    EventReason("SwitchoverRefused", "Warning", "a switchover was asked for and is not carried out", "act on the reason that it gives"),
    EventReason("ForcedFailover", "Warning", "an operator had this pod promoted; it says what is lost"),
    EventReason(
        "ForceRefused", "Warning", "a forced failover is not carried out", "read `hapg status`, and ask again for what it shows now"
    ),
    EventReason(
        "NoEligibleCandidate",
        "Warning",
        "the Lease is free, and this pod may not become primary, however long it waits",
        "it names what is missing: bring that back, or `hapg failover --force` and accept the loss",
    ),
    EventReason(
        "WaitingForEligibleReplica",
        "Warning",
        "the primary's pod is being deleted, and no replica streams: it waits for one while its grace period lasts",
        "let a replica come back",
    ),
    EventReason(
        "WaitingForVolumes", "Warning", "the first server is not made before every pod has reported an empty volume", "start the pods"
    ),
    EventReason("Recovering", "Warning", "the server replays WAL before it can write; it says how far it is", "wait"),
    EventReason("PromotionFailed", "Warning", "a promotion failed; the Lease is released", "see why in its message"),
    EventReason("ServerDied", "Warning", "the primary's server ended by itself; it is started again or another pod takes over"),
    EventReason(
        "ServerUnresponsive",
        "Warning",
        "the primary let no new connection in for a while: its server is killed and the Lease released",
        "look for what stopped the postmaster",
    ),
    EventReason(
        "StorageHung",
        "Warning",
        "a volume took no writes for a while: the server is killed and the Lease released",
        "look at the storage",
    ),
    EventReason("DiskFull", "Warning", "a volume is full", "grow it, or remove what is not PostgreSQL's"),
    EventReason(
        "EmergencyWALSpaceReleased",
        "Warning",
        "a full volume was given its emergency WAL space, so that its server can start or switch over",
        "grow the volume",
    ),
    EventReason(
        "LeaseExtendedByPeers",
        "Warning",
        "the API did not answer, and the primary went on because all eligible replicas had agreed",
        "look at the API server",
    ),
    EventReason("LeaseRolledBack", "Warning", "the API shows an older Lease, as after a restore of etcd", "none: it is written again"),
    EventReason("Synchronous", "Normal", "commits wait for the standbys that it names, and are safe"),
    EventReason(
        "WaitingForSyncStandbys",
        "Warning",
        "policy `strict`: fewer standbys stream than are waited for, and commits hang until one is back",
        "bring a standby back",
    ),
    EventReason(
        "Asynchronous",
        "Warning",
        "policy `preferred`: too few standbys stream; commits go on and may be lost in a failover",
        "bring a standby back",
    ),
    EventReason(
        "SyncStandbyNamesNotApplied",
        "Warning",
        "the primary's `synchronous_standby_names` does not take effect",
        "remove what overrides it, as `ALTER SYSTEM` may",
    ),
    EventReason("WriteQuorumUnsound", "Warning", "a step that would lose commits was about to be taken, and was not", "report a bug"),
    EventReason(
        "NotFollowing", "Warning", "this replica does not stream from the primary that there is", "act on the reason that it gives"
    ),
    EventReason("Rewind", "Normal", "this pod's WAL has diverged from the primary's: it is rewound"),
    EventReason("RewindPending", "Warning", "a rewind waits, as for a free connection slot of the primary", "free one"),
    EventReason("RewindFailed", "Warning", "a rewind failed; it is tried again, and then the pod is cloned"),
    EventReason("Clone", "Warning", "this pod's data cannot be used any more, or is missing: it is cloned"),
    EventReason("ClonePending", "Warning", "a clone has no room yet", "grow the volume"),
    EventReason(
        "CloneFailed", "Warning", "a clone failed; it is tried again after the time that it names", "act on the reason that it gives"
    ),
    EventReason("InitdbFailed", "Warning", "initdb or one of its scripts failed; nothing of it is kept", "correct the script"),
    EventReason("StartFailed", "Warning", "the server does not start; its data is kept", "act on the reason that it gives"),
    EventReason(
        "StartedWarm", "Warning", "the server does not start as a hot standby, and is started warm", "raise the setting that it names"
    ),
    EventReason(
        "ConfigurationRefused", "Warning", "the server does not accept the release's configuration", "correct the value that it names"
    ),
    EventReason("ConfigurationAccepted", "Normal", "the configuration is accepted again"),
    EventReason("VolumeDamaged", "Warning", "the data cannot be started; it is cloned once there is a primary"),
    EventReason("VolumeAdopted", "Normal", "a volume that was made for another claim is this pod's now"),
    EventReason(
        "VolumeCopied",
        "Warning",
        "the volume is a copy of another pod's, as of a VolumeSnapshot; it is cloned anew",
        "to use its data, make a file `accept` beside pgdata and delete the pod",
    ),
    EventReason(
        "VolumesMismatched", "Warning", "data and WAL volume do not belong together; nothing is touched", "delete both claims and the pod"
    ),
    EventReason("ForeignVolume", "Warning", "the data is of another cluster than the release's", "delete the claim and the pod"),
    EventReason("OtherMajor", "Warning", "the data is of another major of PostgreSQL; nothing is touched", "see [majors.md](majors.md)"),
    EventReason(
        "TablespaceFound",
        "Warning",
        "the server uses a tablespace, which is not supported: clones and rewinds fail",
        "move it to pg_default",
    ),
    EventReason("RoleChanged", "Normal", "a password or a role of the server was made what the Secret says"),
    EventReason("InvalidSecret", "Warning", "a password in a Secret cannot be used as it is", "correct the Secret"),
    EventReason("PasswordNotApplied", "Warning", "a password of the Secret could not be set on the server; it is tried again"),
)
