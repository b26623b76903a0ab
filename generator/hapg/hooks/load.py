"""Finds hooks in installed packages, in hooks/ beside a spec and in named files, and puts them in order."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from hapg.hooks import ENTRY_POINTS, PROJECT, specs
from hapg.hooks.run import HookError, Hooks, Implementation

FOLDER = "hooks"
"""Name of the folder with hooks beside a spec."""

_Plugin = tuple[str, ModuleType]


def load(named: Sequence[Path], spec: Path | None = None) -> Hooks:
    """Return all hooks in the order in which they run.

    First those of installed packages, by name; then those of the folder beside `spec`, by file name; then those of the files `named`,
    in the given order. tryfirst runs before all others, trylast after them. Raises HookError for a file that can't be loaded, has no
    hook, or has an unknown one.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specs.Specs)
    places = {}
    for place, module in (*_installed(), *_files(_beside(spec)), *_files(named)):
        if manager.has_plugin(str(module.__file__)):
            continue
        _register(manager, place, module)
        places[module] = place
    return Hooks({name: tuple(_ordered(manager, name, places)) for name in specs.names()})


def _beside(spec: Path | None) -> list[Path]:
    if spec is None:
        return []
    return sorted(path for path in (spec.parent / FOLDER).glob("*.py") if not path.name.startswith("_"))


def _installed() -> Iterator[_Plugin]:
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    for entry in sorted(found, key=lambda entry: (entry.name, entry.value)):
        yield f"entry point {entry.name}", _guarded(f"entry point {entry.name}", entry.load)


def _files(paths: Sequence[Path]) -> Iterator[_Plugin]:
    for path in paths:
        yield str(path), _guarded(str(path), functools.partial(_import, path))


def _import(path: Path) -> ModuleType:
    name = "hapg_hook_" + re.sub(r"\W", "_", str(path))
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise HookError(f"{path}: not a Python file; its name must end with .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        found.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


def _guarded(place: str, importing: Callable[[], Any]) -> ModuleType:
    try:
        module = importing()
    except (HookError, KeyboardInterrupt):
        raise
    except OSError as error:
        raise HookError(f"{place}: can't be read: {error.strerror or error}") from error
    except SyntaxError as error:
        raise HookError(f"{place}:{error.lineno or 0}: {error.msg}") from error
    except BaseException as error:
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise HookError(f"{place}:{line}: can't be imported: {type(error).__name__}: {error}") from error
    if not isinstance(module, ModuleType):
        raise HookError(f"{place}: is a {type(module).__name__}; a module is expected")
    return module


def _register(manager: pluggy.PluginManager, place: str, module: ModuleType) -> None:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        marked = hasattr(function, f"{PROJECT}_impl")
        known = name in specs.names()
        if function.__module__ == module.__name__ and marked != known:
            line = function.__code__.co_firstlineno
            reason = f"unknown hook {name}; known are {', '.join(specs.names())}" if marked else f"{name} lacks the decorator @hook"
            raise HookError(f"{place}:{line}: {reason}")
    try:
        manager.register(module, str(module.__file__))
    except pluggy.PluginValidationError as error:
        raise HookError(f"{place}: {' '.join(str(error).split())}") from error
    if not manager.get_hookcallers(module):
        raise HookError(f"{place}: no hook found; a hook is a function with the decorator @hook")


def _ordered(manager: pluggy.PluginManager, name: str, places: dict[ModuleType, str]) -> Iterator[Implementation]:
    found = getattr(manager.hook, name).get_hookimpls()
    order = list(places)
    for each in sorted(found, key=lambda each: (not each.tryfirst, each.trylast, order.index(each.plugin))):
        place = places[each.plugin]
        if each.wrapper or each.hookwrapper or inspect.isgeneratorfunction(each.function):
            raise HookError(
                f"{place}:{each.function.__code__.co_firstlineno}: {name} is a wrapper or a generator; a plain function is expected"
            )
        yield Implementation(name, place, each.function, tuple(each.argnames))
