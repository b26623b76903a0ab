"""Finds hooks in installed packages, in hooks/ beside a spec and in named files, and puts them in order."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pluggy

from hapg.hooks import ENTRY_POINTS, PROJECT, isolation, specs
from hapg.hooks.run import HookError, Hooks, Implementation, last_line

FOLDER = "hooks"
"""Name of the folder with hooks beside a spec."""

_MARK = f"{PROJECT}_impl"
"""The attribute that the decorator sets."""


@dataclass(frozen=True)
class _Plugin:
    """A module with hooks. place: as the user named it; file: its real path; found: no argument names it."""

    place: str
    file: str
    module: ModuleType
    found: bool


def load(named: Sequence[Path], spec: Path | None = None) -> Hooks:
    """Return all hooks in the order in which they run.

    First those of installed packages, by name; then those of the folder beside `spec`, by file name; then those of the files `named`,
    in the given order. tryfirst runs before all others, trylast after them. Raises HookError for a file that can't be loaded, has no
    hook, or has an unknown one, and for a folder that can't be read.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specs.Specs)
    plugins: dict[ModuleType, _Plugin] = {}
    for plugin in _plugins(named, spec):
        if plugin.module not in plugins:
            _register(manager, plugin)
            plugins[plugin.module] = plugin
    return Hooks({name: tuple(_ordered(manager, name, plugins)) for name in specs.names()})


def is_beside(folder: Path) -> bool:
    """True if the folder has another folder with hooks in it."""
    return any((folder / FOLDER).glob("*.py"))


def _plugins(named: Sequence[Path], spec: Path | None) -> Iterator[_Plugin]:
    for entry in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value)):
        place = f"entry point {entry.name}"
        module = _guarded(place, "", entry.load)
        yield _Plugin(place, os.path.realpath(str(module.__file__)), module, True)
    seen = set()
    for path, found in (*((path, True) for path in _beside(spec)), *((path, False) for path in named)):
        file = os.path.realpath(path)
        if file not in seen:
            seen.add(file)
            yield _Plugin(str(path), file, _guarded(str(path), file, functools.partial(_import, path)), found)


def _beside(spec: Path | None) -> list[Path]:
    """Return the files with hooks beside the spec. Raises HookError if it can't be told which there are."""
    if spec is None:
        return []
    folder = spec.parent / FOLDER
    try:
        names = os.listdir(folder)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not folder.is_symlink():
            return []
        raise HookError(f"{folder}: the hooks beside the spec can't be read: {error.strerror}") from error
    return [folder / name for name in sorted(names) if name.endswith(".py") and not name.startswith("_")]


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


def _guarded(place: str, file: str, importing: Callable[[], Any]) -> ModuleType:
    try:
        with isolation.lasting_process():
            module = importing()
    except (HookError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        is_own = error.filename is None or os.path.realpath(error.filename) == file
        where = f"{place}:{error.lineno or 0}" if is_own else f"{place}: {error.filename}:{error.lineno}"
        raise HookError(f"{where}: {error.msg}") from error
    except BaseException as error:
        line = last_line(error, file)
        if line is None and isinstance(error, OSError):
            raise HookError(f"{place}: can't be read: {error.strerror or error}") from error
        raise HookError(f"{place}{'' if line is None else f':{line}'}: can't be imported: {type(error).__name__}: {error}") from error
    if not isinstance(module, ModuleType):
        raise HookError(f"{place}: is a {type(module).__name__}; a module is expected")
    return module


def _register(manager: pluggy.PluginManager, plugin: _Plugin) -> None:
    for name, function in inspect.getmembers(plugin.module, inspect.isfunction):
        if hasattr(function, _MARK):
            _check(name, function, plugin)
        elif name in specs.names() and function.__module__ == plugin.module.__name__:
            raise HookError(f"{_at(function, plugin)}: {name} lacks the decorator @hook")
    manager.register(plugin.module, plugin.file)
    if not manager.get_hookcallers(plugin.module):
        raise HookError(f"{plugin.place}: no hook found; a hook is a function with the decorator @hook")


def _check(name: str, function: FunctionType, plugin: _Plugin) -> None:
    """Raise HookError for a marked function that can't be called as a hook."""
    at, marks = _at(function, plugin), getattr(function, _MARK)
    if name not in specs.names():
        raise HookError(f"{at}: unknown hook {name}; known are {', '.join(specs.names())}")
    if marks["specname"] is not None:
        raise HookError(f"{at}: {name} has a specname; the function's own name says which hook it is")
    if marks["wrapper"] or marks["hookwrapper"] or inspect.isgeneratorfunction(function):
        raise HookError(f"{at}: {name} is a wrapper or a generator; a plain function is expected")
    known = specs.parameters(name)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or parameter.name not in known:
            raise HookError(f"{at}: {name}: unknown parameter {parameter}; known are {', '.join(known)}")


def _at(function: FunctionType, plugin: _Plugin) -> str:
    """Return FILE:LINE of a function; the file as the user named it, if the function is in there."""
    code = inspect.unwrap(function).__code__
    is_own = os.path.realpath(code.co_filename) == plugin.file
    return f"{plugin.place if is_own else code.co_filename}:{code.co_firstlineno}"


def _ordered(manager: pluggy.PluginManager, name: str, plugins: Mapping[ModuleType, _Plugin]) -> Iterator[Implementation]:
    found = getattr(manager.hook, name).get_hookimpls()
    order = list(plugins)
    for each in sorted(found, key=lambda each: (not each.tryfirst, each.trylast, order.index(each.plugin))):
        plugin = plugins[each.plugin]
        takes = tuple(inspect.signature(each.function).parameters)
        yield Implementation(name, plugin.place, each.function, takes, _at(each.function, plugin), plugin.found)
