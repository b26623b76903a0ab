"""A small parent that starts the agent again at once when it ends.

Kubelet waits longer and longer before it restarts a container; a crashing agent must not cost a healthy primary its Lease.
Nothing is imported here that the agent needs, so the parent stays as small as the interpreter.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

PAUSE_S = 0.2
QUICK_S = 2.0
LONGEST_PAUSE_S = 1.0


def keep_running(act: Callable[[], int]) -> int:
    """Fork and call `act` in the child, again whenever the child ends, until SIGTERM; return the exit code."""
    child = 0
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True
        if child:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pause = PAUSE_S
    while not asked:
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_child(act)
        while os.waitpid(-1, 0)[0] != child:
            pass
        child = 0
        pause = PAUSE_S if time.monotonic() - begun > QUICK_S else min(2 * pause, LONGEST_PAUSE_S)
        if not asked:
            time.sleep(pause)
    return 0


def _be_child(act: Callable[[], int]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = 70
    try:
        code = act()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)
