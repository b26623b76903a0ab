"""How long `hapg post-render` takes for 5 MB of manifests: `python -m tests.bench.post_render`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

RENDERED = Path(__file__).parents[2] / "values-examples" / "rendered" / "tutorial-warm.yaml"
BYTES = 5 * 1000 * 1000
HOOK = """\
from hapg.hooks import hook


@hook
def adjust_manifests(manifests):
    for manifest in manifests:
        manifest["metadata"].setdefault("labels", {})["example.com/team"] = "orders"
"""


def manifests(size: int = BYTES) -> str:
    """Return a stream of about `size` bytes: the tutorial's release again and again, each time under another name."""
    one = RENDERED.read_text()
    return "\n---\n".join(one.replace("ha-postgres", f"ha-postgres-{number}") for number in range(size // len(one)))


def main() -> None:
    """Print the seconds of each of three runs."""
    text = manifests()
    with tempfile.TemporaryDirectory() as folder:
        hook = Path(folder, "label.py")
        hook.write_text(HOOK)
        for _ in range(3):
            begun = time.monotonic()
            command = [sys.executable, "-m", "hapg", "post-render", "--hooks", str(hook)]
            subprocess.run(command, input=text, stdout=subprocess.DEVNULL, text=True, check=True)
            print(f"{len(text) / 1e6:.1f} MB: {time.monotonic() - begun:.2f} s")


if __name__ == "__main__":
    main()
