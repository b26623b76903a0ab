"""The protocol's times and the inequalities between them (docs/protocol.md, section 1)."""

from __future__ import annotations

from dataclasses import dataclass

# All in seconds. `bounds` lists the inequalities between them, and between them and a release's values.

# Reading the Lease and the pods
READ_EVERY_S = 1.0  # between two reads while the watch is silent
READ_AGAIN_S = 0.5  # the same while the last read is unanswered
OVERDUE_READ_S = 0.4  # between two reads of an overdue Lease
RUN_OUT_READ_S = 0.3  # between two reads of an expired Lease, before a claim
PODS_FRESH_S = 1.5  # maximum age of a pod list that a claim relies on
LIST_EVERY_S = 0.3  # between two lists of the pods
LIST_AHEAD_S = 1.0  # how long before a Lease expires a candidate begins to list the pods
LIST_AGAIN_S = 1.0  # age of the last list until it lists them again
LEASE_GONE_S = 60.0  # how long a Lease that is missing or rolled back counts as unchanged (rule 14)

# Election (rule 4)
REPORT_WAIT_S = 1.0  # how long to wait for position reports
COLD_WAIT_S = 30.0  # the same while nobody has been seen to hold the Lease
RANK_STEP_S = 1.0  # extra wait of each rank compared with the one before
SUCCESSOR_HEADSTART_S = 1.0  # how long others leave the claim to the chosen successor
NO_LEASE_WAIT_S = 60.0  # how long to wait for missing pods before recreating the Lease
REPORT_AGAIN_S = 1.5  # until a position report is repeated if our pod doesn't show it
BLOCKED_PATIENCE_S = 10.0  # until an Event says that waiting won't let us claim
BOOTSTRAP_PATIENCE_S = 30.0  # until an Event says which volumes the first server waits for

# The primary's Lease
RETRY_PUT_S = 0.3  # between two writes
ASK_EVERY_S = 0.4  # between two requests to the peers for a lease extension (rule 8)
PEER_ANSWER_S = 0.6  # how long a peer's answer is waited for, and a peer's agent decides about it
LONGEST_EXTENSION_S = 600.0  # a request for a longer extension is always refused
SEEN_S = 5.0  # older information about which replicas stream is ignored
DROP_AFTER_S = 30.0  # until a replica that doesn't stream is no longer eligible

# The primary's server
HEARTBEAT_FRESH_S = 0.7  # maximum age of the supervisor's heartbeat
HEARTBEAT_WAIT_S = 0.5  # how long a heartbeat later than an operation's end is waited for
BLIND_S = 5.0  # how long no probe of the server has succeeded until its WAL senders count as unknown
PROBE_FRESH_S = 2.5  # maximum age of the last successful write to a volume
PATIENCE_S = (PROBE_FRESH_S, 10.0, 40.0)  # the same for a primary that follows none, one, or more that lost the Lease to a hung volume
PROMPT_S = 60.0  # how long all writes have to succeed within PROBE_FRESH_S until that counts again
STUCK_S = 1.5  # how long that age must be exceeded, while we watch, for the volume to count as hung
DEAD_PROBE_FRESH_S = 5.0  # maximum age of that write for WAL to be read from a dead server's volume
FULL_S = 5.0  # how long a volume is full before the primary switches over
FULL_AGAIN_S = 30.0  # until that is tried again
FULL_HOLD_S = 20.0  # how long others wait for a server that died of a full volume
SPACE_LOOK_S = 0.3  # how long the release for a server that died waits for a look at the free space
UNPROVEN_S = 20.0  # how long a primary's write position may be unknown
PROMOTION_SILENT_S = 10.0  # how long a promotion may show neither replay nor a write to the volumes
SILENT_S = 15.0  # how long a new connection may go unanswered: the postmaster only forks, which takes milliseconds, and seconds under load
REFUSING_S = 60.0  # how long a primary may refuse connections because it is starting or shutting down (57P03)
END_TRANSACTIONS_S = 1.0  # how long sessions that delay a promotion may take to end
IN_EFFECT_S = 4.0  # how long a changed synchronous_standby_names may take to reach every process
KILL_AGAIN_S = 1.0  # until an ineffective kill is repeated
FAILED_S = 60.0  # how long a server that failed as the primary ranks last
SUSPECT_S = 50.0  # the last part of FAILED_S, during which it may stand as a candidate again
CHECKPOINT_AFTER_S = 1.0  # from a promotion to its checkpoint
SLOTS_AGAIN_S = 2.0  # between two changes of replication slots
RECOVERY_TOLD_S = 5.0  # until an Event says that the primary is recovering
LINGER_S = 2.0  # how long a primary stays after a switchover, so that its address refuses clients

# Periodic probes of the local server: from one to the next
STATUS_EVERY_S = 0.5
STEADY_STATUS_EVERY_S = 1.0  # as a primary, or as a replica that follows one
SLOTS_EVERY_S = 2.0
PROBE_EVERY_S = 1.0  # of a write to the volumes
SEGMENT_EVERY_S = 10.0  # of the size of a WAL segment, and the tablespaces
FILES_EVERY_S = 5.0  # of the configuration files
EMERGENCY_SPACE_EVERY_S = 10.0
KEEP_EVERY_S = 5.0  # of keeping a connection open for a primary's first statement
KEEP_ANSWER_S = 2.0  # how long that, and a query as a client's, may take
READS_EVERY_S = 1.0  # of a query as a client's
GREET_EVERY_S = 5.0  # of a new connection

# Switchover (rule 9)
SHORT_CHECKPOINT_S = 0.25  # checkpoints before a shutdown are repeated until one takes no longer than this
FETCH_S = 1.5  # how long a replica tries to fetch a dead server's unreplicated WAL
FETCH_PATIENCE_S = 0.4  # the same while that server's agent refuses
FETCH_AGAIN_S = 0.05  # between two attempts
SWITCHOVER_CHECKPOINT_S = 120.0  # maximum duration of the checkpoint before it
LAST_CHECKPOINT_S = 30.0  # the same when the pod is being deleted
SERVE_ON_S = 0.8  # how long the server keeps serving until its endpoint may be replaced
ROUTE_AHEAD_S = 0.3  # the same once the successor is labelled
ANNOUNCE_S = 1.5  # how long the Lease may take to name the successor
ASK_AGAIN_S = 0.3  # between two attempts to name it
LAST_RECORD_S = 2.0  # how long to wait for replicas other than the successor once the shutdown checkpoint is written
LAST_RECORD_LEAVING_S = 10.0  # the same when the pod is being deleted
SHUTDOWN_S = 40  # the part of a pod's grace period that is reserved for the shutdown
LEAST_GRACE_S = 15  # with less grace the server doesn't serve on for its endpoint; also assumed if the API shows no grace period
SETTINGS_AGAIN_S = 30.0  # until a switchover for changed settings that could not take place is tried again
REJOIN_AFTER_S = 0.5  # until a server that has switched over starts as a replica

# Replicas
FOLLOW_RETRY_S = 0.25  # between two attempts to follow
RECHECK_S = 15.0  # how long a following replica may be listed as not streaming before it follows again
SUCCESSION_S = 10.0  # how long a successor waits for the end of the stream, and for the release
SHORTEST_DRAIN_S = 0.5  # don't wait for the end of a stream if less time than this is left
LEAVE_S = 1.0  # how long a replica whose pod is being deleted checks whether the primary's is too
STAY_S = 60.0  # how long it then stays for the primary's last record
LEAVE_GRACE_S = 20  # the part of its grace period that it leaves unused for that
STREAM_LOOK_S = 2.0  # the holder checks which replicas stream more often than this
READY_HEARTBEAT_S = 2.0  # maximum age of the supervisor's heartbeat for a pod to be ready (rule 16)
NOTED_EVERY_S = 2.0  # how often a pod notes that it has joined (rule 16)
ENDLESS_S = 150.0  # after which an operation of a few seconds that makes no progress will never end
RESTART_TURN_S = 15.0  # how long a standby that has to restart waits for each of those before it
SETTLE_S = 10.0  # how long a replica may take to stream after a start or a change of primary
TELL_AFTER_S = 20.0  # until an Event says that it doesn't stream
CHANGED_S = 30.0  # until another Event gives a different reason

# Starts and copies
FAILED_START_AGAIN_S = 10.0  # until a start that failed for a reason other than the data is tried again
HOT_AGAIN_S = 300.0  # until a server that only started warm is started hot again
HOT_AGAIN_UNDER_ANOTHER_S = 30.0  # the same once it follows another primary
ARCHIVE_AGAIN_S = 5.0  # until the archive is asked again for WAL after it didn't answer
BUSY_AGAIN_S = 5.0  # until a rewind is tried again after the primary had no free connection for it
LONGEST_PAUSE_S = 300.0  # between two consecutive rewinds or clones
LONGEST_RETRY_S = 30.0  # between two attempts of any operation

# The write quorum (rule 11)
LET_GO_AFTER_S = 3.0  # until `preferred` counts a silent standby as missing
SHRINK_AFTER_S = 10.0  # until a silent standby leaves the setting

# Labels (rule 12)
LABEL_AGAIN_S = 0.5  # until a primary changes labels again
STRIP_AGAIN_S = 1.0  # until a replica changes a primary's label again
PROXY_S = 1.0  # kube-proxy applies changes at most once a second
READS_FRESH_S = 5.0  # for how long a hot standby's last answer to a query counts
READS_AGAIN_S = 1.5  # until a pod is labelled as a hot standby again if it doesn't show it
PARTING_S = 10.0  # how long after its promotion a server on emergency WAL space gets no primary label

# Configuration
FIRST_TOUCH_PAUSE_S = 1.0  # until our pod is changed again so that kubelet projects a changed ConfigMap; it doubles each time

# What people are told
ARCHIVE_SILENT_S = 30.0  # maximum age of the backup container's state, which it writes every two seconds
ARCHIVE_FAILING_S = 30.0  # how long archiving fails until an Event says so: a restarted container or a new archive takes seconds
ARCHIVE_SHOWN_S = 60.0  # between two changes of the annotation about the archive while no trouble begins or ends
PROGRESS_SHOWN_S = 5.0  # between two changes of a pod's annotation while it catches up from the archive
TELL_AGAIN_S = 300.0  # between two Events about a lasting condition
SHOW_AGAIN_S = 1.5  # until an annotation is written again if our pod doesn't show it
ANSWER_AGAIN_S = 1.5  # the same for the answer to a request

# How long the decision thread sleeps when nothing is reported
TURN_S = 0.25
STEADY_TURN_S = 1.0  # as a primary whose last renewal was acknowledged
FOLLOWING_TURN_S = 3.0  # as a replica that sees renewals
SWITCHOVER_TURN_S = 0.02  # during a switchover
LEAST_TURN_S = 0.01


@dataclass(frozen=True)
class Timing:
    """The times of a release, all in seconds except `clock_ratio`, the largest relative difference between the rates of two clocks.

    ttl: how long a claimer waits after it last saw the Lease change; lease: the holder's usable part, counted from the send of its last
    acknowledged write; renew: from send to send; call: total limit of an API call; overdue: the age of the Lease from which replicas grant
    no extension; fence: the supervisor's loop plus the kill; restart: how long to wait for a dead primary's restart; extension: how long a
    peer's promise not to claim lets the holder continue, counted from the send of the request; stall: how long a server that is starting,
    recovering or being promoted may make no progress before it counts as failed; hold: how long replicas that lack WAL of a primary that
    was shut down wait for one that has it; unready: how long a replica stays ready after it stops following.
    """

    ttl: float = 6.0
    lease: float = 4.7
    renew: float = 2.0
    call: float = 1.2
    overdue: float = 3.5
    fence: float = 0.7
    clock_ratio: float = 0.05
    restart: float = 3.0
    extension: float = 1.6
    stall: float = 60.0
    hold: float = 300.0
    unready: float = 30.0

    def violations(self) -> list[str]:
        """Return every inequality that these values break, in words; empty if they are sound."""
        found = []
        if not self.lease * (1 + self.clock_ratio) + self.fence < self.ttl:
            found.append(
                f"leaseSeconds * (1 + clockRatio) + fenceSeconds must be less than ttlSeconds: "
                f"{self.lease:g} * {1 + self.clock_ratio:g} + {self.fence:g} is not less than {self.ttl:g}"
            )
        if not self.renew + 2 * self.call <= self.lease:
            found.append(
                f"renewSeconds + 2 * callTimeoutSeconds must not exceed leaseSeconds, so that one lost call survives: "
                f"{self.renew:g} + 2 * {self.call:g} exceeds {self.lease:g}"
            )
        if not self.renew < self.overdue < self.ttl:
            found.append(
                f"overdueSeconds must lie between renewSeconds and ttlSeconds: {self.overdue:g} is not between "
                f"{self.renew:g} and {self.ttl:g}"
            )
        if not self.overdue + self.extension * (1 + self.clock_ratio) + self.fence <= self.ttl:
            found.append(
                f"overdueSeconds + extensionSeconds * (1 + clockRatio) + fenceSeconds must not exceed ttlSeconds, so that a lease "
                f"extension delays no failover: {self.overdue:g} + {self.extension:g} * {1 + self.clock_ratio:g} + {self.fence:g} "
                f"exceeds {self.ttl:g}"
            )
        return found

    def claim_after(self, recorded_ttl: float) -> float:
        """Return the age, in seconds, at which a Lease that wasn't released may be claimed.

        While a TTL is being changed, the longer one counts.
        """
        return max(self.ttl, recorded_ttl)

    def seal_after(self, recorded_ttl: float) -> float:
        """Return the age of the Lease, on any clock, by which its holder's server is certainly dead; less than what a claimer waits."""
        spare = self.ttl - self.lease * (1 + self.clock_ratio) - self.fence
        return max(self.overdue, self.claim_after(recorded_ttl) - spare)

    def usable_lease(self, recorded_ttl: float) -> float:
        """Return how long the holder may continue after sending a write that recorded `recorded_ttl`, in seconds.

        A claimer waits for the recorded TTL, so a longer TTL is used only once it has been recorded.
        """
        bound = (recorded_ttl - self.fence) / (1 + self.clock_ratio)
        return self.lease if self.ttl <= recorded_ttl else min(self.lease, bound - 0.05)

    def usable_extension(self, recorded_ttl: float) -> float:
        """Return how long an extension is valid, in seconds: an agent that forgets its promise still waits for `recorded_ttl`."""
        return min(self.extension, (recorded_ttl - self.overdue - self.fence) / (1 + self.clock_ratio))

    def promise(self, seconds: float) -> float:
        """Return how long a peer that grants `seconds` doesn't claim, on its own clock, in seconds."""
        return seconds * (1 + self.clock_ratio) + self.fence

    @property
    def ask_after(self) -> float:
        """How long after sending its last acknowledged write the holder starts to ask for extensions: by then, one renewal has failed."""
        return self.renew + self.call

    @property
    def quiet_after(self) -> float:
        """How long after the last read of the Lease an agent starts to poll it: by then, the watch should have shown a renewal."""
        return self.renew + 0.4

    @property
    def late(self) -> float:
        """How long the answer to a renewal or a claim is of use: by then, another renewal has been sent on another connection."""
        return 2 * self.call

    @property
    def read_gap(self) -> float:
        """The longest gap between two reads of the Lease across which an agent keeps counting its age."""
        return self.renew + self.call


def bounds(timing: Timing) -> dict[str, bool]:
    """Return the inequalities between these times and those of a release, in words, and whether each holds. timing: the release's."""
    return {
        "two reads of a silent watch and a lost one keep the Lease's age": READ_AGAIN_S + timing.call < timing.read_gap,
        "an overdue Lease is read more than once before it is sealed by": timing.seal_after(timing.ttl) - timing.overdue > OVERDUE_READ_S,
        "a hung volume is noticed before the Lease's usable part is over": timing.lease > PROBE_FRESH_S + STUCK_S,
        "what has to be fresh is probed more often than it grows old": PROBE_EVERY_S < PROBE_FRESH_S
        and READS_EVERY_S < READS_FRESH_S
        and min(SEEN_S, BLIND_S) > STEADY_STATUS_EVERY_S,
        "a successor's head start is no longer than a rank's wait": SUCCESSOR_HEADSTART_S <= RANK_STEP_S,
        "a Lease counts as gone only once any usable part of it is over": timing.lease * (1 + timing.clock_ratio) + timing.fence
        < LEASE_GONE_S,
        "a failed server may stand again before it ranks like the others": SUSPECT_S < FAILED_S,
        "a replica is noted as joined more often than it must be to stay ready": timing.unready > NOTED_EVERY_S,
        "a member is dropped later than a look at who streams is too old": SEEN_S < DROP_AFTER_S,
        "a standby is let go before it leaves the setting": LET_GO_AFTER_S < SHRINK_AFTER_S,
        "others are waited for longer when the pod goes for good": LAST_RECORD_S < LAST_RECORD_LEAVING_S,
        "the last record is waited for within the shutdown's share of the grace period": LAST_RECORD_LEAVING_S < SHUTDOWN_S,
        "an extension is asked for more than once before it is needed": timing.lease - timing.ask_after > ASK_EVERY_S,
    }


def retry_pause(failures: int) -> float:
    """Return how long to wait after a failed attempt, in seconds. failures: of the consecutive attempts before it."""
    return min(LONGEST_RETRY_S, 0.25 * 2.0 ** min(failures, 7))


def pause(copies: int) -> float:
    """Return how long to wait after `copies` consecutive rewinds and clones before the next, in seconds."""
    return min(LONGEST_PAUSE_S, 2.0 ** min(copies - 1, 9))
