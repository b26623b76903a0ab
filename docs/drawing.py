"""What the pictures are drawn with: a few SVG elements as text. Same source, same bytes: no date, no random id, no dependency."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

INK, SOFT, LINE, PAPER = "#1f2933", "#52606d", "#9aa5b1", "#ffffff"
WRITE, STREAM, LEASE = "#b03a2e", "#1f6f8b", "#8a6d1d"


def tag(name: str, text: str | None = None, /, **attributes: object) -> str:
    """One element. An underscore in an attribute's name stands for a hyphen."""
    rendered = "".join(f" {key.rstrip('_').replace('_', '-')}={quoteattr(str(value))}" for key, value in attributes.items())
    return f"<{name}{rendered}/>" if text is None else f"<{name}{rendered}>{escape(text)}</{name}>"


def box(x: int, y: int, w: int, h: int, fill: str = PAPER, stroke: str = LINE, **more: object) -> str:
    """A rounded rectangle."""
    return tag("rect", x=x, y=y, width=w, height=h, rx=7, fill=fill, stroke=stroke, **more)


def label(x: int, y: int, text: str, size: int = 13, fill: str = INK, anchor: str = "start", weight: str = "normal") -> str:
    """A line of text."""
    return tag("text", text, x=x, y=y, font_size=size, fill=fill, text_anchor=anchor, font_weight=weight)


def lines(x: int, y: int, texts: tuple[str, ...], size: int = 12, fill: str = SOFT, anchor: str = "start") -> list[str]:
    """Several lines of text, one under the other."""
    return [label(x, y + n * (size + 4), text, size, fill, anchor) for n, text in enumerate(texts)]


def arrow(points: tuple[tuple[int, int], ...], colour: str, *, both: bool = False, dashed: bool = False, width: float = 2) -> str:
    """A line through `points` with a head at its end, or at both ends."""
    head = f"url(#head-{colour[1:]})"
    more: dict[str, object] = {"marker_end": head}
    if both:
        more["marker_start"] = head
    if dashed:
        more["stroke_dasharray"] = "5 4"
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    return tag("path", d=path, fill="none", stroke=colour, stroke_width=width, **more)


def marker(colour: str) -> str:
    """The arrow head in one colour."""
    return (
        f'<marker id="head-{colour[1:]}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z" fill="{colour}"/></marker>'
    )


def frame(width: int, height: int, title: str, description: str) -> list[str]:
    """The beginning of a picture, with a border around it."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="Helvetica, Arial, sans-serif" role="img" aria-labelledby="title desc">',
        tag("title", title, id="title"),
        tag("desc", description, id="desc"),
        "<defs>" + "".join(marker(colour) for colour in (INK, SOFT, WRITE, STREAM, LEASE)) + "</defs>",
        box(1, 1, width - 2, height - 2, stroke="#cbd2d9"),
    ]
