"""docs/states.svg: the phases of a pod and every change of the table `hapg_failover.core.state.phases.TRANSITIONS`, with its reason."""

from __future__ import annotations

import textwrap

from docs.drawing import INK, LEASE, LINE, SOFT, STREAM, WRITE, arrow, box, frame, label, lines
from hapg_failover.core.state.phases import CONTAINER_DEAD, NEW_SUPERVISOR, TRANSITIONS, Phase

WIDTH, TOP, LINE_HEIGHT = 1120, 660, 18
BOX_W, BOX_H = 190, 64

STATES: dict[str, tuple[int, int, str, str]] = {
    "BOOT": (40, 220, LINE, "what is there?"),
    "EMPTY": (40, 50, LINE, "no data"),
    "DAMAGED": (330, 50, LINE, "only a clone helps"),
    "SEALED": (330, 220, STREAM, "no upstream, reported"),
    "FOLLOW": (330, 400, STREAM, "streams, extends the lease"),
    "CLAIMING": (620, 220, LEASE, "PUT of the Lease sent"),
    "PROMOTING": (900, 220, WRITE, "deadline written"),
    "PRIMARY": (900, 400, WRITE, "writes and renews"),
    "DOWN": (620, 400, LINE, "dead: releases the Lease"),
    "STOPPING": (900, 545, LINE, "switches over, then ends"),
}
"""Name, place, colour, what it is in a few words."""

Points = tuple[tuple[int, int], ...]
ROUTES: dict[tuple[Phase, Phase], tuple[Points, tuple[int, int, str], int]] = {
    (Phase.BOOT, Phase.EMPTY): (((135, 218), (135, 116)), (129, 160, "end"), 12),
    (Phase.EMPTY, Phase.BOOT): (((160, 116), (160, 218)), (168, 160, "start"), 16),
    (Phase.BOOT, Phase.DAMAGED): (((205, 218), (205, 190), (360, 190), (360, 116)), (366, 180, "start"), 20),
    (Phase.BOOT, Phase.SEALED): (((232, 252), (328, 252)), (280, 244, "middle"), 20),
    (Phase.DAMAGED, Phase.BOOT): (((328, 82), (300, 82), (300, 205), (222, 205), (222, 218)), (322, 28, "end"), 14),
    (Phase.SEALED, Phase.DAMAGED): (((470, 218), (470, 116)), (478, 160, "start"), 16),
    (Phase.SEALED, Phase.FOLLOW): (((400, 286), (400, 398)), (392, 315, "end"), 24),
    (Phase.FOLLOW, Phase.SEALED): (((450, 398), (450, 286)), (458, 364, "start"), 18),
    (Phase.SEALED, Phase.CLAIMING): (((522, 240), (618, 240)), (570, 232, "middle"), 20),
    (Phase.CLAIMING, Phase.SEALED): (((618, 268), (522, 268)), (570, 284, "middle"), 16),
    (Phase.CLAIMING, Phase.PROMOTING): (((812, 252), (898, 252)), (855, 228, "middle"), 14),
    (Phase.PROMOTING, Phase.PRIMARY): (((995, 286), (995, 398)), (1003, 340, "start"), 20),
    (Phase.PROMOTING, Phase.DOWN): (((930, 286), (930, 340), (760, 340), (760, 398)), (845, 302, "middle"), 26),
    (Phase.PRIMARY, Phase.DOWN): (((898, 432), (812, 432)), (855, 380, "middle"), 17),
    (Phase.PRIMARY, Phase.STOPPING): (((995, 466), (995, 543)), (1003, 490, "start"), 16),
    (Phase.STOPPING, Phase.BOOT): (((898, 577), (135, 577), (135, 286)), (620, 570, "middle"), 40),
    (Phase.DOWN, Phase.SEALED): (((650, 398), (650, 330), (500, 330), (500, 288)), (642, 348, "end"), 16),
}
"""The changes that are drawn: along which points, where their reason stands, and how wide it is in characters."""


def others() -> list[str]:
    """The other changes of the table, one line for each target and reason."""
    left: dict[tuple[str, Phase], list[Phase]] = {}
    for (old, new), why in TRANSITIONS.items():
        if (old, new) not in ROUTES:
            left.setdefault((why, new), []).append(old)
    anywhere = {NEW_SUPERVISOR, CONTAINER_DEAD}
    return [
        f"{'any phase' if why in anywhere else ', '.join(phase.name for phase in olds)} to {new.name}: {why}"
        for (why, new), olds in left.items()
    ]


def picture() -> str:
    """The whole picture."""
    out = frame(
        WIDTH,
        TOP + LINE_HEIGHT * (len(others()) + 1),
        "The states of a pod",
        "Every start leads through SEALED. From there a pod follows another leader, or claims the Lease, is promoted and becomes "
        "the primary. A primary ends in DOWN, by its deadline, another leader or its server's death, or by a switchover, and starts "
        "sealed again.",
    )
    out += [arrow(((20, 252), (38, 252)), SOFT)]
    for name, (x, y, colour, text) in STATES.items():
        out += [box(x, y, BOX_W, BOX_H, stroke=colour, stroke_width=2 if colour != LINE else 1)]
        out += [label(x + BOX_W // 2, y + 27, name, 15, INK, "middle", "bold"), label(x + BOX_W // 2, y + 48, text, 12, SOFT, "middle")]
    for change, (points, (x, y, anchor), width) in ROUTES.items():
        texts = tuple(textwrap.wrap(TRANSITIONS[change], width))
        out += [arrow(points, INK, width=1.5), *lines(x, y, texts, anchor=anchor)]
    remark = (
        "A server becomes writable in one way: sealed, reported, claimed,",
        "promoted. An agent that restarts beside such a server finds it",
        "in PROMOTING or PRIMARY, if the Lease is still its own.",
    )
    out += lines(640, TOP + LINE_HEIGHT, remark, 13)
    out += [label(40, TOP, "Also:", 13, INK, weight="bold"), *lines(40, TOP + LINE_HEIGHT, tuple(others()), 13)]
    return "\n".join([*out, "</svg>", ""])
