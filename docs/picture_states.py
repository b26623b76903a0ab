"""docs/states.svg: the states of a pod, and what leads from one to the next (hapg_failover.core.state.phases.Phase)."""

from __future__ import annotations

from docs.drawing import INK, LEASE, LINE, SOFT, STREAM, WRITE, arrow, box, frame, label, lines

WIDTH, HEIGHT = 1120, 640
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
EDGES: tuple[tuple[Points, tuple[int, int, str], tuple[str, ...]], ...] = (
    (((135, 218), (135, 116)), (129, 160, "end"), ("no data",)),
    (((160, 116), (160, 218)), (168, 160, "start"), ("clone, or initdb", "on ordinal 0")),
    (((205, 218), (205, 190), (360, 190), (360, 116)), (300, 183, "middle"), ("unusable data",)),
    (((232, 252), (328, 252)), (280, 244, "middle"), ("started,",)),
    (((328, 82), (300, 82), (300, 205), (222, 205), (222, 218)), (292, 72, "end"), ("clone",)),
    (((470, 218), (470, 116)), (478, 160, "start"), ("can't follow,", "can't rewind")),
    (((400, 286), (400, 398)), (392, 330, "end"), ("another leader, under a", "version read later:", "follow or rewind")),
    (((450, 398), (450, 286)), (458, 350, "start"), ("released, or its", "leader is dead")),
    (((522, 240), (618, 240)), (570, 232, "middle"), ("rule 4",)),
    (((618, 268), (522, 268)), (570, 284, "middle"), ("409, no answer",)),
    (((812, 252), (898, 252)), (855, 228, "middle"), ("success, and", "still in time")),
    (((995, 286), (995, 398)), (1003, 340, "start"), ("writable",)),
    (((930, 286), (930, 340), (760, 340), (760, 398)), (845, 332, "middle"), ("10 s, or deadline",)),
    (((898, 432), (812, 432)), (855, 395, "middle"), ("deadline, other", "leader, death")),
    (((995, 466), (995, 543)), (1003, 500, "start"), ("own deletion,", "switchover")),
    (((898, 577), (715, 577), (715, 466)), (806, 570, "middle"), ("server down, Lease released",)),
    (((650, 398), (650, 312), (500, 312), (500, 288)), (575, 326, "middle"), ("started again",)),
)


def picture() -> str:
    """The whole picture."""
    out = frame(
        WIDTH,
        HEIGHT,
        "The states of a pod",
        "Every start leads through SEALED. From there a pod follows another leader, or claims the Lease, is promoted and becomes "
        "the primary. A primary ends in DOWN, by its deadline, another leader or its server's death, or by a switchover, and starts "
        "sealed again.",
    )
    out += [arrow(((20, 252), (38, 252)), SOFT), label(280, 272, "sealed", 12, SOFT, "middle")]
    for name, (x, y, colour, text) in STATES.items():
        out += [box(x, y, BOX_W, BOX_H, stroke=colour, stroke_width=2 if colour != LINE else 1)]
        out += [label(x + BOX_W // 2, y + 27, name, 15, INK, "middle", "bold"), label(x + BOX_W // 2, y + 48, text, 12, SOFT, "middle")]
    for points, (x, y, anchor), texts in EDGES:
        out += [arrow(points, INK, width=1.5), *lines(x, y, texts, anchor=anchor)]
    remark = (
        "Only the success of an own claim leads to",
        "PROMOTING, only PROMOTING to PRIMARY:",
        "there is no other way to become writable.",
    )
    out += lines(40, 400, remark)
    return "\n".join([*out, "</svg>", ""])
