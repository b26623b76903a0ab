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
    EventReason("Promoted", "Normal", "this pod's server was promoted and accepts writes"),
    EventReason("Switchover", "Normal", "the primary is switching over; the message names the reason and the successor"),
    EventReason(
        "ServerRestarts", "Normal", "changed settings need a restart of the release's only server; clients wait meanwhile, for some seconds"
    ),
    EventReason("SwitchoverRefused", "Warning", "a switchover was requested and refused", "act on the reason in the message"),
    EventReason(
        "ForcedFailover",
        "Warning",
        "an operator forced this pod's promotion; the message says what is lost",
        "find out from the message whether lost rows have to be entered again",
    ),
    EventReason(
        "ForceRefused", "Warning", "a forced failover was refused", "run `hapg status`, and request it again for the present state"
    ),
    EventReason(
        "NoEligibleCandidate",
        "Warning",
        "the Lease is free, but this pod may not take it; the message says what is missing, and whether and how long it is waited for",
        "bring back what is missing, or run `hapg failover --force` and accept the loss",
    ),
    EventReason(
        "WaitingForEligibleReplica",
        "Warning",
        "the primary's pod is being deleted, and no replica streams: it waits for one until its grace period ends",
        "bring a replica back",
    ),
    EventReason(
        "WaitingForVolumes", "Warning", "the first server is created only after every pod has reported an empty volume", "start the pods"
    ),
    EventReason("Recovering", "Warning", "the server replays WAL before it accepts writes; the message shows the progress", "wait"),
    EventReason("PromotionFailed", "Warning", "a promotion failed; the Lease is released", "see the message for the reason"),
    EventReason(
        "ServerDied",
        "Warning",
        "the primary's server exited unexpectedly; it is restarted or another pod takes over",
        "look for the cause in the log of the container `postgres`",
    ),
    EventReason(
        "ServerUnresponsive",
        "Warning",
        "the primary has accepted no new connection for a while: its server is killed and the Lease released",
        "find out what stopped the postmaster",
    ),
    EventReason(
        "StorageHung",
        "Warning",
        "writes to a volume have hung for a while: the server is killed and the Lease released",
        "check the storage",
    ),
    EventReason(
        "StorageSlow",
        "Warning",
        "no write has succeeded for 2.5 s; the last primary was replaced for that, so this one is given 10 s, later ones 40 s",
        "find out what keeps all disks busy",
    ),
    EventReason("DiskFull", "Warning", "a volume is full", "grow it, or remove files that are not PostgreSQL's"),
    EventReason(
        "EmergencyWALSpaceReleased",
        "Warning",
        "the emergency WAL space of a full volume was released, so that its server can start or switch over",
        "grow the volume",
    ),
    EventReason(
        "LeaseExtendedByPeers",
        "Warning",
        "the API did not answer; the primary kept writing because all eligible replicas extended its Lease",
        "check the API server",
    ),
    EventReason(
        "LeaseRolledBack", "Warning", "the API shows an older Lease, for example after a restore of etcd", "none: the Lease is rewritten"
    ),
    EventReason("Synchronous", "Normal", "commits wait for the standbys in the message, and survive a failover"),
    EventReason(
        "WaitingForSyncStandbys",
        "Warning",
        "policy `strict`: fewer standbys stream than commits wait for; commits hang until one is back",
        "bring a standby back",
    ),
    EventReason(
        "Asynchronous",
        "Warning",
        "policy `preferred`: too few standbys stream; commits do not wait and may be lost in a failover",
        "bring a standby back",
    ),
    EventReason(
        "SyncStandbyNamesNotApplied",
        "Warning",
        "the primary's `synchronous_standby_names` does not take effect",
        "remove what overrides it, for example an `ALTER SYSTEM`",
    ),
    EventReason("WriteQuorumUnsound", "Warning", "a step that would have lost commits was prevented", "report a bug"),
    EventReason("NotFollowing", "Warning", "this replica does not stream from the current primary", "act on the reason in the message"),
    EventReason("CatchingUp", "Normal", "the primary has removed WAL that this replica needs; the replica takes it from the archive"),
    EventReason("CaughtUp", "Normal", "this replica has taken what it lacked from the archive, and follows the primary again"),
    EventReason("Rewind", "Normal", "this pod's WAL has diverged from the primary's: the pod is rewound"),
    EventReason("RewindPending", "Warning", "a rewind is waiting for a free connection slot on the primary", "free one"),
    EventReason(
        "RewindFailed",
        "Warning",
        "a rewind failed; it is retried, and then the pod is cloned",
        "wait; if it recurs, act on the reason in the message",
    ),
    EventReason(
        "Clone",
        "Warning",
        "this pod's data is no longer usable, or is missing: the pod is cloned",
        "wait until the pod is ready; if the message says that the volume is damaged, check the storage",
    ),
    EventReason(
        "ClonePending",
        "Warning",
        "there is not enough free space for a clone beside the old data",
        "grow the volume, or delete the pod's PVCs and the pod",
    ),
    EventReason(
        "CloneFailed", "Warning", "a clone failed; it is retried after the time in the message", "act on the reason in the message"
    ),
    EventReason("Cloned", "Normal", "the first server is a clone of a live server; the message says of which"),
    EventReason("Restored", "Normal", "the first server was restored from a backup; the message says from which and up to where"),
    EventReason(
        "RestoreFailed",
        "Warning",
        "the restore of the first server failed; nothing is kept, and it is tried again",
        "correct what the message names",
    ),
    EventReason("MajorUpgraded", "Normal", "the last primary's data was upgraded; the other pods are cloned once it is the primary"),
    EventReason(
        "MajorUpgradeFailed",
        "Warning",
        "the upgrade to this major failed; the data is the former major's, as it was",
        "correct what the message names, with the former chart if need be",
    ),
    EventReason(
        "ArchivingFailed",
        "Warning",
        "the primary's WAL cannot be archived; it is kept on the volume meanwhile",
        "act on the reason in the message before the volume fills",
    ),
    EventReason(
        "BackupNotVerified",
        "Warning",
        "the latest backup could not be restored in a scratch volume, or its data has failed a check; the message says why",
        "correct what the message names; if a backup or WAL is damaged, make a full backup",
    ),
    EventReason("BackupVerified", "Normal", "after a failure, a restore of the latest backup was verified again"),
    EventReason("ArchivingResumed", "Normal", "the primary's WAL is archived again"),
    EventReason(
        "ArchiveMisconfigured", "Warning", "the settings or credentials of the repository cannot be used", "correct what the message names"
    ),
    EventReason("ArchiveHole", "Warning", "segments are missing in the archive: no restore gets past them", "make a full backup"),
    EventReason("InitdbFailed", "Warning", "initdb or one of its scripts failed; nothing is kept", "correct the script"),
    EventReason("StartFailed", "Warning", "the server does not start; its data is kept", "act on the reason in the message"),
    EventReason(
        "StartedWarm",
        "Warning",
        "the server does not start as a hot standby, and is started as a warm one",
        "raise the setting in the message",
    ),
    EventReason(
        "ConfigurationRefused", "Warning", "the server does not accept the release's configuration", "correct the value in the message"
    ),
    EventReason("ConfigurationAccepted", "Normal", "the configuration is accepted again"),
    EventReason(
        "VolumeDamaged",
        "Warning",
        "the server cannot start from this data; the pod is cloned once there is a primary",
        "check the storage, and the log of the container `postgres`",
    ),
    EventReason("VolumeAdopted", "Normal", "this pod has adopted a volume that was made for another PVC"),
    EventReason(
        "VolumeCopied",
        "Warning",
        "the volume is a copy of another pod's, for example of a VolumeSnapshot; the pod is cloned",
        "to use its data, create a file `accept` beside pgdata and delete the pod",
    ),
    EventReason(
        "VolumesMismatched",
        "Warning",
        "data and WAL volume do not belong together; nothing is touched",
        "give the pod its own PVCs back, or delete both and the pod",
    ),
    EventReason(
        "ForeignVolume",
        "Warning",
        "the data belongs to a different cluster than the release's",
        "find out whose data it is, then delete the PVC and the pod",
    ),
    EventReason(
        "OtherMajor", "Warning", "the data is of another PostgreSQL major version; nothing is touched", "see [majors.md](majors.md)"
    ),
    EventReason(
        "TablespaceFound",
        "Warning",
        "the server uses a tablespace, which is not supported: clones and rewinds fail",
        "move it to pg_default",
    ),
    EventReason("RoleChanged", "Normal", "a password or role on the server was updated from the Secret"),
    EventReason("InvalidSecret", "Warning", "a password in a Secret is not usable", "correct the Secret"),
    EventReason(
        "PasswordNotApplied",
        "Warning",
        "a password from the Secret could not be set on the server; it is retried",
        "act on the reason in the message",
    ),
    EventReason(
        "DatabaseObjectsApplied", "Normal", "declared roles and databases were created, changed or removed; the message says which"
    ),
    EventReason(
        "DatabaseObjectsNotApplied",
        "Warning",
        "a declared role or database cannot be made as declared; the rest is, and this is retried",
        "act on the reason in the message",
    ),
    EventReason(
        "DatabaseObjectsDrifted",
        "Warning",
        "somebody has changed a declared role or database by hand; it is left so",
        "undo the change, or declare what is wanted now",
    ),
    EventReason("AppChanged", "Normal", "the database or the owner that the value `app` names was created, or the owner's password set"),
    EventReason(
        "AppDiffers",
        "Warning",
        "database or owner existed before and are not as the value `app` says; the agent changes neither",
        "run `ALTER DATABASE … OWNER TO …` or `ALTER ROLE`, or correct the value",
    ),
    EventReason(
        "AppNotApplied",
        "Warning",
        "the database, its owner or the Secret of the value `app` could not be made; it is retried",
        "act on the reason in the message",
    ),
)
