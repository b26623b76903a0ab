"""Draw the pictures of the documents: `python -m docs.make_pictures` writes them, `--check` compares them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from docs import picture_release, picture_states

FOLDER = Path(__file__).parent
PICTURES: dict[str, Callable[[], str]] = {"release.svg": picture_release.picture, "states.svg": picture_states.picture}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pictures."""
    parser = argparse.ArgumentParser(prog="python -m docs.make_pictures", description="Draw docs/*.svg.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing; exit 1 if one differs")
    options = parser.parse_args(arguments)
    wrong = []
    for name, draw in PICTURES.items():
        target = FOLDER / name
        if not options.check:
            target.write_text(draw(), encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != draw():
            wrong.append(name)
    for name in wrong:
        print(f"docs/{name} differs from what docs/make_pictures.py draws: run `make charts`", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
