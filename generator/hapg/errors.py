"""Everything that hapg refuses, in words for the one who called it."""

from __future__ import annotations

from collections.abc import Sequence


class HapgError(Exception):
    """Something can't be done; the text says what and why."""


class InputError(HapgError):
    """The input is wrong: one sentence for each thing that is, in `problems`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class OutputError(HapgError):
    """The output can't be written, or must not be."""
