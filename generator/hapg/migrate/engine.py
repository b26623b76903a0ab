"""Applies a table of rules to a document: every field of it ends up in an entry of the report."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hapg.migrate import checks, own_names, walk
from hapg.migrate.checks import IN_SPEC
from hapg.migrate.requirements import REQUIREMENTS, Requirement
from hapg.migrate.rules import NoCounterpart, Outcome, Place, Rule, Said
from hapg.migrate.walk import Path

_UNUSED = "it belongs to a value that is refused"
_UNKNOWN = "hapg does not know this field; look for a value of the chart, or write a hook"


@dataclass(frozen=True)
class Entry:
    """A line of the report. path: in the input, everything below it included; to: our paths; text: how it differs, or why it is missing."""

    outcome: Outcome
    path: Path
    to: tuple[str, ...] = ()
    text: str = ""


@dataclass
class Translation:
    """What a table makes of a document. spec, values: ours, nested; entries: what became of each field."""

    spec: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


class Engine:
    """Applies rules to one document."""

    def __init__(self, document: Mapping[str, Any], major: str, name: str) -> None:
        self._document = document
        self._major = major
        self._name = name
        self._checks = checks.of_major(major)
        self._done: set[Path] = set()
        self.made = Translation()

    def apply(self, table: Sequence[Rule]) -> Translation:
        """Apply the rules in their order, and say of the rest of the document that it is unknown."""
        for rule in table:
            for path, value in list(walk.matches(self._document, rule.path)):
                if walk.is_below(path, self._done):
                    continue
                if rule.to or rule.convert:
                    self._convert(rule, path, value)
                else:
                    self._leave(rule, path, value)
        for path, value in list(walk.untouched(self._document, self._done)):
            self._add(Entry(Outcome.OFF if walk.is_empty(value) else Outcome.NONE, path, text=_UNKNOWN))
        return self.made

    def take_back(self) -> None:
        """Take back each value that needs another one, which isn't there."""
        for requirement in REQUIREMENTS:
            if walk.get(self.made.values, *requirement.path) is not None and not requirement.holds(self.made.values):
                self._take_back(requirement)

    def assume(self, to: str, value: Any) -> bool:
        """Set our value unless it is set. True if it was not."""
        path = _our_path(to)
        node: Any = self.made.spec if path[0] == IN_SPEC else self.made.values
        for key in path[1:] if path[0] == IN_SPEC else path:
            if not isinstance(node, dict) or key not in node:
                return self._set(path, value) == ""
            node = node[key]
        return False

    def _take_back(self, requirement: Requirement) -> None:
        *above, last = requirement.path
        del walk.get(self.made.values, *above)[last]
        path = ".".join(requirement.path)

        def kept(entry: Entry) -> Entry:
            to = tuple(each for each in entry.to if each != path and not each.startswith(f"{path}."))
            if to == entry.to:
                return entry
            return replace(entry, outcome=Outcome.CHANGED if to else Outcome.NONE, to=to, text=requirement.text)

        self.made.entries = [kept(entry) for entry in self.made.entries]

    def _leave(self, rule: Rule, path: Path, value: Any) -> None:
        for below, part in list(walk.untouched(value, {each[len(path) :] for each in self._done if each[: len(path)] == path})):
            off = rule.outcome is Outcome.NONE and walk.is_off(part)
            self._add(Entry(Outcome.OFF if off else rule.outcome, (*path, *below), text=rule.text))

    def _convert(self, rule: Rule, path: Path, value: Any) -> None:
        if walk.is_empty(value) and not rule.means_empty:
            self._add(Entry(Outcome.OFF, path))
            return
        if "kind" not in self._document and "{{" in str(value):
            self._add(Entry(Outcome.NONE, path, text="a template; set what it results in"))
            return
        place = Place(self._document, path, self._major, self._name, self._done)
        try:
            found = rule.convert(value, place) if rule.convert else value
        except NoCounterpart as error:
            off = walk.is_off(value) and not rule.means_empty
            self._add(Entry(Outcome.OFF if off else Outcome.NONE, path, text=str(error)))
            return
        except (AttributeError, LookupError, TypeError, ValueError):
            # A value of another type than its field has; the API server would have refused it.
            self._add(Entry(Outcome.NONE, path, text="the value is not of the form that this field has"))
            return
        outcome, text = rule.outcome, rule.text
        pairs: list[tuple[Any, Any]] = [(rule.to, found)] if found is not None and rule.to else []
        if isinstance(found, Said):
            outcome, text = found.outcome or outcome, found.text
            pairs = list(found.values.items() if isinstance(found.values, Mapping) else found.values)
            if [ours for _, ours in pairs] == [value] and not text and found.outcome is None:
                outcome = Outcome.TAKEN
        elif rule.convert and found == value:
            outcome, text = Outcome.TAKEN, ""
        paths = [_our_path(to, place.key) for to, _ in pairs]
        all_or_none = isinstance(found, Said) and isinstance(found.values, Mapping) and len(pairs) > 1
        before = copy.deepcopy(self.made.values) if all_or_none else {}
        problems = [self._set(path, ours) for path, (_, ours) in zip(paths, pairs, strict=True)]
        if any(problems) and all_or_none:
            self.made.values = before
            problems = [problem or _UNUSED for problem in problems]
        taken = [_shown(path) for path, problem in zip(paths, problems, strict=True) if not problem]
        refused = "; ".join(problem for problem in problems if problem not in ("", _UNUSED))
        if refused:
            outcome = Outcome.CHANGED if taken else Outcome.NONE
        said = "; ".join(filter(None, (text if not refused or taken else "", refused)))
        self._add(Entry(outcome, path, tuple(dict.fromkeys(taken)), said))
        for key in found.left if isinstance(found, Said) else ():
            self._add(Entry(Outcome.NONE, (*path, key), text=_UNKNOWN))
        for below, why in found.parts_left.items() if isinstance(found, Said) else ():
            self._add(Entry(Outcome.NONE, (*path, *below), text=why))

    def _add(self, entry: Entry) -> None:
        self._done.add(entry.path)
        self.made.entries.append(entry)

    def _set(self, path: tuple[str, ...], value: Any) -> str:
        """Set our value; return why it can't be set, "" if it is."""
        in_spec, keys = path[0] == IN_SPEC, path[1:] if path[0] == IN_SPEC else path
        problem = self._checks.problem(in_spec, keys, value) or own_names.missing_volume(keys, value, self.made.values)
        if problem:
            return problem
        node = self.made.spec if in_spec else self.made.values
        appends = keys[-1] == "[]"
        *above, last = keys[:-1] if appends else keys
        for key in above:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                return f"{_shown(path)} is set already, by another field"
        if appends:
            items = node.setdefault(last, [])
            name = walk.get(value, "name")
            if name is not None and any(walk.get(item, "name") == name and item != value for item in items):
                return f"{_shown(path)} has {name} already, from another field"
            if value not in items:
                items.append(value)
            return ""
        if last in node and node[last] != value:
            return f"{_shown(path)} is set already, by another field"
        node[last] = value
        return ""


def _our_path(to: str | tuple[str, ...], key: str = "") -> tuple[str, ...]:
    if isinstance(to, tuple):
        return to
    prefix = (IN_SPEC,) if to.startswith(IN_SPEC) else ()
    return (*prefix, *(key if part == "*" else part for part in walk.parts(to.removeprefix(IN_SPEC))))


def _shown(path: tuple[str, ...]) -> str:
    in_spec = path[0] == IN_SPEC
    text = walk.shown(tuple(part for part in path if part not in (IN_SPEC, "[]")))
    return f"spec.{text}" if in_spec else text
