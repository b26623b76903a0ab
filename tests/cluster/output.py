"""Progress lines on stderr; stdout stays free for results."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_STARTED = time.monotonic()
_HEARTBEAT_SECONDS = 20.0


def say(text: str) -> None:
    """Prints one progress line with the seconds since the program started."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:6.1f}s] {text}\n")
    sys.stderr.flush()


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announces a long task, repeats the message every 20 s while it runs, and prints how long it took."""
    say(f"{text} …")
    begun = time.monotonic()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_SECONDS):
            say(f"{text} … still running after {time.monotonic() - begun:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    say(f"{text}: done in {time.monotonic() - begun:.1f} s")
