"""Deletes what `helm uninstall` keeps of a release: the Job that the chart renders with `wipeOut: true`.

The order makes an interruption safe. While a pod exists nothing is deleted, because a living leader would create the Lease again. The Lease
goes last: as long as it is there, no server starts from what is left, and `hapg wipe` finds the release and finishes the work. Helm does
not stop the Job when somebody interrupts the uninstallation and rolls the release back, so the Job looks for that before each deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from hapg_protocol import kept

from .adapters.ports.kubernetes import ApiUnavailable, Removal

PAUSE_S = 1.0

T = TypeVar("T")


class InstalledAgain(Exception):
    """The release has a StatefulSet, so its data is in use or will be."""


class Wipe:
    """Wipes one release. The only limit is the deadline of the Job."""

    def __init__(self, api: Removal, say: Callable[[str], None], pause: Callable[[float], object]) -> None:
        """say: called with each line of progress; pause: waits for some seconds."""
        self._api = api
        self._say = say
        self._pause = pause

    def run(self, release: str, selector: Mapping[str, str]) -> None:
        """Delete claims, Secrets and Lease once no pod is left; return when all of them are gone. Raise ApiError, InstalledAgain.

        selector: the labels of the Secrets that the pods have created; others with these names stay.
        """
        self._until_gone(release, "pod", kept.pods(release), self._api.pod_exists)
        self._until_gone(release, "claim", kept.claims(release), self._api.delete_claim)
        secrets = [name for name in kept.secrets(release) if self._is_ours(name, selector)]
        self._until_gone(release, "Secret", secrets, self._api.delete_secret)
        self._until_gone(release, "Lease", [release], self._api.delete_lease)
        self._say(f"{release} is wiped")

    def _until_gone(self, release: str, kind: str, names: Iterable[str], is_there: Callable[[str], bool]) -> None:
        """Ask for each name until none of them is there. A deletion that has already been asked for may be asked for again."""
        left, said = list(names), ""
        while left:
            if self._ask(self._api.is_installed, release):
                raise InstalledAgain(f"{release} has been installed again meanwhile; what is left of it is kept")
            left = [name for name in left if self._ask(is_there, name)]
            text = f"waiting until these are gone: {kind} {', '.join(left)}"
            if left and text != said:
                self._say(text)
                said = text
            if left:
                self._pause(PAUSE_S)

    def _is_ours(self, name: str, selector: Mapping[str, str]) -> bool:
        labels = self._ask(self._api.secret_labels, name)
        if labels is not None and not selector.items() <= labels.items():
            self._say(f"Secret {name} stays: the pods did not create it")
            return False
        return labels is not None

    def _ask(self, call: Callable[[str], T], name: str) -> T:
        """Return the answer to a call, however often it has to be repeated."""
        while True:
            try:
                return call(name)
            except ApiUnavailable as error:
                self._say(str(error))
                self._pause(PAUSE_S)
