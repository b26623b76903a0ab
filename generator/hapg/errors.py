"""The errors of hapg. Their texts are shown to the user."""

from __future__ import annotations

from collections.abc import Sequence


class HapgError(Exception):
    """A failure. The text says what failed and why."""


class InputError(HapgError):
    """The input is invalid. `problems` has one sentence per problem."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class OutputError(HapgError):
    """The output can't be written, or must not be overwritten."""
