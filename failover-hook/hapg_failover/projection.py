"""Has kubelet project a changed ConfigMap at once, by changing an annotation of this pod. Nothing depends on it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from contextlib import suppress

from .adapters.ports.runtime import Runtime
from .core import projection
from .core.projection import ConfigMap, Touch

LOOK_S = 0.25
"""Between two looks at the files while they differ from the ConfigMap."""


class Projection:
    """Compares the ConfigMap with the pod's files whenever a watch reports it. While nothing changes, its thread waits."""

    def __init__(
        self,
        runtime: Runtime,
        projected: Callable[[], Mapping[str, bytes]],
        annotate: Callable[[Mapping[str, str | None]], None],
        updated: Callable[[], None],
    ) -> None:
        """projected: returns the ConfigMap's files in this pod, may raise OSError; annotate: changes annotations of this pod; updated: is
        called once the files are those of a changed ConfigMap.
        """
        self._runtime = runtime
        self._projected = projected
        self._annotate = annotate
        self._updated = updated
        self._seen = runtime.mailbox()
        self._wanted: ConfigMap | None = None
        self._last: Touch | None = None
        self._current = ""

    def begin(self) -> None:
        """Start the thread."""
        self._runtime.spawn("projection", self._run)

    def seen(self, found: ConfigMap | None) -> None:
        """Handle a watch event: the ConfigMap, None if it was deleted."""
        self._seen.put(found)

    def _run(self) -> None:
        wait_s: float | None = None
        with suppress(OSError):
            self._current = projection.digest(self._projected())
        while True:
            with suppress(queue.Empty):
                self._wanted = self._seen.get(timeout=wait_s)
            wait_s = self._look()

    def _look(self) -> float | None:
        """Touch the pod if that is due; return the seconds until the next look."""
        try:
            projected = projection.digest(self._projected())
        except OSError:
            return LOOK_S  # kubelet is just replacing the files
        if self._wanted is not None and self._wanted.digest == projected != self._current:
            self._current = projected
            self._updated()
        touch, wait_s = projection.next_touch(self._wanted, projected, self._last, self._runtime.now())
        if touch is not None:
            self._last = touch
            self._annotate({projection.ANNOTATION: touch.text})
        return None if wait_s is None else min(wait_s, LOOK_S)
