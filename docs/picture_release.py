"""docs/release.svg: what a release consists of, and who writes to whom."""

from __future__ import annotations

from docs.drawing import INK, LEASE, LINE, PAPER, SOFT, STREAM, WRITE, arrow, box, frame, label, lines, tag

WIDTH, HEIGHT = 1120, 700


def pod(x: int, ordinal: int, role: str) -> list[str]:
    """A pod: two containers, the memory volume between them, the data volume below."""
    primary = role == "primary"
    out = [box(x, 190, 310, 330, fill="#f5f7fa", stroke=WRITE if primary else LINE, stroke_width=2 if primary else 1)]
    out += [label(x + 14, 213, f"Pod NAME-{ordinal}", 14, weight="bold")]
    out += [box(x + 176, 198, 122, 22, fill=WRITE if primary else STREAM, stroke="none")]
    out += [label(x + 237, 213, f"role={role}", 12, PAPER, "middle")]

    out += [box(x + 14, 230, 282, 92)]
    out += [label(x + 24, 249, "container postgres", 13, weight="bold"), label(x + 286, 249, "stock image", 11, SOFT, "end")]
    state = "PostgreSQL, read and write" if primary else "PostgreSQL, standby (warm or hot)"
    out += lines(x + 24, 269, (state, "PID 1: supervisor.sh, decides nothing,", "kills everything at the deadline"))

    out += [arrow(((x + 70, 388), (x + 70, 324)), INK), label(x + 78, 352, "commands,", 11, SOFT), label(x + 78, 366, "deadline", 11, SOFT)]
    out += [arrow(((x + 150, 324), (x + 150, 388)), INK), label(x + 158, 352, "events, heartbeat,", 11, SOFT)]
    out += [label(x + 158, 366, "locks: proof of death", 11, SOFT)]

    out += [box(x + 14, 390, 282, 76)]
    out += [label(x + 24, 409, "container failover", 13, weight="bold"), label(x + 286, 409, "native sidecar", 11, SOFT, "end")]
    work = ("watches the Lease; if it runs out: seals,", "reports its position, best one claims")
    if primary:
        work = ("renews the Lease, writes the deadline,", "labels itself primary, unlabels others")
    out += lines(x + 24, 429, work)

    out += [box(x + 110, 478, 186, 30, fill="#e4e7eb"), label(x + 203, 498, f"claim data-NAME-{ordinal}", 12, SOFT, "middle")]
    return out


def picture() -> str:
    """The whole picture."""
    out = frame(
        WIDTH,
        HEIGHT,
        "A release of ha-postgres with three replicas",
        "Clients write through the Service NAME, which selects the pod labelled primary, here NAME-1. It streams its WAL to NAME-0 "
        "and NAME-2. The failover container in each pod reads the Lease NAME; the holder renews it, a replica may claim it.",
    )

    # Clients and Services
    out += [box(30, 20, 310, 34), label(185, 42, "clients that read from hot standbys", 13, anchor="middle")]
    out += [box(405, 20, 310, 34), label(560, 42, "clients", 13, anchor="middle")]
    out += [
        box(30, 88, 310, 48, fill="#eef4f7", stroke=STREAM),
        label(185, 108, "Service NAME-readonly", 13, anchor="middle", weight="bold"),
    ]
    out += [label(185, 126, "hot standbys that follow", 12, SOFT, "middle")]
    out += [box(405, 88, 310, 48, fill="#fbeeec", stroke=WRITE), label(560, 108, "Service NAME", 13, anchor="middle", weight="bold")]
    out += [label(560, 126, "the pod with role=primary", 12, SOFT, "middle")]
    out += [arrow(((185, 54), (185, 86)), SOFT, dashed=True), arrow(((560, 54), (560, 86)), WRITE)]
    out += [arrow(((185, 136), (185, 187)), SOFT, dashed=True, width=1.5)]
    out += [arrow(((185, 162), (935, 162), (935, 187)), SOFT, dashed=True, width=1.5)]
    out += [tag("path", d="M560 156 L560 168", stroke=PAPER, stroke_width=8), arrow(((560, 136), (560, 187)), WRITE, width=2.5)]
    out += [
        label(780, 84, "StatefulSet NAME, one Helm release,", 13, SOFT),
        label(780, 102, "in one namespace; no operator, no CRD", 13, SOFT),
    ]

    # Pods
    for x, ordinal, role in ((30, 0, "replica"), (405, 1, "primary"), (780, 2, "replica")):
        out += pod(x, ordinal, role)
    out += [arrow(((419, 276), (328, 276)), STREAM, width=2.5), arrow(((701, 276), (792, 276)), STREAM, width=2.5)]
    out += [label(372, 268, "WAL", 12, STREAM, "middle"), label(748, 268, "WAL", 12, STREAM, "middle")]

    # The API's objects
    out += [box(30, 566, 1060, 112, fill="#fdfaf1", stroke=LEASE, stroke_dasharray="6 4")]
    out += [label(44, 586, "Kubernetes API", 13, LEASE, weight="bold")]
    out += [box(405, 580, 310, 84, stroke=LEASE), label(560, 600, "Lease NAME: names the leader", 13, anchor="middle", weight="bold")]
    content = ("holder NAME-1 + UID, term, members,", "highest timeline; every change is", "a compare-and-swap on its version")
    out += lines(560, 620, content, anchor="middle")
    out += [arrow(((465, 468), (465, 578)), LEASE, width=2.5), label(475, 546, "renews", 12, LEASE)]
    for x, bend in ((90, 430), (840, 690)):
        out += [arrow(((x, 468), (x, 548), (bend, 548), (bend, 578)), LEASE, both=True, dashed=True, width=1.5)]
    out += [label(100, 542, "reads; claims when released or expired", 12, LEASE), label(704, 542, "reads; claims …", 12, LEASE)]
    pods = ("Pods: annotation with each replica's position,", "label role; set by the failover containers,", "never rendered by the chart")
    others = (
        "Secrets NAME-auth, NAME-replication;",
        "ConfigMap NAME-config; Role for this release's",
        "own objects; PodDisruptionBudget NAME",
    )
    out += lines(44, 610, pods)
    out += lines(735, 610, others)
    return "\n".join([*out, "</svg>", ""])
