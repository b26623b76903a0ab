"""Runs hooks one after the other and reports each error with the hook's file and line."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hapg.errors import HapgError, InputError
from hapg.hooks import Refused, isolation

T = TypeVar("T", dict[str, Any], list[dict[str, Any]])


class HookError(HapgError):
    """A hook failed or is invalid. The text begins with its file and line."""


@dataclass(frozen=True)
class Implementation:
    """One hook function. name: of the hook; place: its file as the user named it; takes: names of its parameters; at: FILE:LINE of the
    function; found: no argument of the command line names its file.
    """

    name: str
    place: str
    function: Callable[..., Any]
    takes: tuple[str, ...]
    at: str
    found: bool

    @property
    def about(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function. Raises InputError if it refuses, HookError if it fails."""
        try:
            with isolation.lasting_process():
                return self.function(**{name: arguments[name] for name in self.takes})
        except Refused as error:
            raise InputError([f"{self._line_of(error)}: {error}"]) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a hook must not end hapg halfway
            raise HookError(f"{self._line_of(error)}: {self.name} failed: {type(error).__name__}: {error}") from error

    def _line_of(self, error: BaseException) -> str:
        line = last_line(error, os.path.realpath(self.place))
        return self.at if line is None else f"{self.place}:{line}"


def last_line(error: BaseException, file: str) -> int | None:
    """Return the line of the file (its real path) that was being run when `error` was raised; None if none was."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.realpath(frame.filename) == file]
    return lines[-1] if lines else None


@dataclass(frozen=True)
class Hooks:
    """The hooks by name, in the order in which they run."""

    by_name: Mapping[str, tuple[Implementation, ...]]

    def run(self, name: str, value: T, check: Callable[[T], Iterable[str]], **context: Any) -> T:
        """Return `value` after all hooks `name`.

        check: yields the problems of a value; context: further arguments. Raises HookError for a hook that fails, returns another type
        or leaves an invalid value, and InputError for one that refuses.
        """
        for each in self.by_name[name]:
            returned = each.call({name.removeprefix("adjust_"): value, **context})
            if returned is not None and not isinstance(returned, type(value)):
                raise HookError(f"{each.at}: {name} returned a {type(returned).__name__}; a {type(value).__name__} or None is expected")
            value = value if returned is None else returned
            problems = list(check(value))
            if problems:
                raise HookError("\n".join(f"{each.at}: {name}: {problem}" for problem in problems))
        return value
