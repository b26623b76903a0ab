"""When this pod is changed so that kubelet projects a changed ConfigMap at once.

Kubelet updates a pod's volumes when the pod changes, and otherwise about once a minute. While the ConfigMap differs from the files in the
pod, the agent therefore changes an annotation of its own pod. Kubelet may learn of the ConfigMap later than the agent, so this is repeated,
with doubling pauses. Afterwards kubelet's own sync remains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from .timing import FIRST_TOUCH_PAUSE_S

ANNOTATION = "ha-postgres/configuration"
TOUCHES = 6


@dataclass(frozen=True)
class ConfigMap:
    """The release's ConfigMap as the API has it. version: its resourceVersion; digest: of its entries."""

    version: str
    digest: str


@dataclass(frozen=True)
class Touch:
    """A change of our pod for a version of the ConfigMap. number: 1 for the first; at: CLOCK_BOOTTIME."""

    version: str
    number: int
    at: float

    @property
    def text(self) -> str:
        """The annotation's value, which differs from that of every other touch."""
        return f"{self.version} {self.number}"


def digest(entries: Mapping[str, bytes]) -> str:
    """Return a digest of a ConfigMap's entries or of the files that kubelet makes of them."""
    found = hashlib.sha256()
    for name, content in sorted(entries.items()):
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def next_touch(wanted: ConfigMap | None, projected: str, last: Touch | None, now: float) -> tuple[Touch | None, float | None]:
    """Return the touch that is due now, if any, and the seconds until the next decision; None: not before the ConfigMap changes.

    wanted: the ConfigMap, None if it does not exist; projected: digest of the files in the pod; last: the last touch; now: CLOCK_BOOTTIME.
    """
    if wanted is None or wanted.digest == projected:
        return None, None
    number = last.number + 1 if last is not None and last.version == wanted.version else 1
    if number > TOUCHES:
        return None, None
    if last is not None and number > 1:
        wait_s = last.at + _pause_s(last.number) - now
        if wait_s > 0:
            return None, wait_s
    return Touch(wanted.version, number, now), _pause_s(number)


def _pause_s(number: int) -> float:
    return float(FIRST_TOUCH_PAUSE_S * 2 ** (number - 1))
