"""Which images a release uses, and the tag and digest to pin each to. Pure but for the registries that it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hapg.errors import HapgError, InputError

_RELEASE = re.compile(r"(9\.6|[1-9][0-9])(?:\.([0-9]{1,2}))?(-[-A-Za-z0-9_.]+)?")


class Registry(Protocol):
    """A registry of images. Both methods raise HapgError if it does not answer or does not have the image."""

    def tags(self, repository: str) -> list[str]:
        """Return all tags of a repository."""

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest that a tag leads to, of all architectures if there are several."""


@dataclass(frozen=True)
class Image:
    """An image of the values. value: its key, as `image`; host: of its registry; tag: the one in the values, or the chart's default."""

    value: str
    host: str
    repository: str
    tag: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"


def images(values: Mapping[str, Any], registry: str) -> list[Image]:
    """Return the images that a release with complete values uses.

    registry: HOST or HOST/PATH, asked for images whose values name no registry. Raises InputError if none is known for an image.
    """
    archives = values["archiver"]["type"] or values["restore"]["enabled"]
    keys = ["image", "failoverImage", *(["backupImage"] if archives else [])]
    given = {key: values["global"]["imageRegistry"] or values[key]["registry"] or registry for key in keys}
    unknown = [
        f"{key}.registry: empty, and so is global.imageRegistry; say with --registry which one to ask" for key in keys if not given[key]
    ]
    if unknown:
        raise InputError(unknown)
    found = []
    for key in keys:
        host, _, path = given[key].partition("/")
        repository = "/".join(filter(None, (path, values[key]["repository"])))
        found.append(Image(key, host, repository, values[key]["tag"] or str(values["version"])))
    return found


def pins(wanted: Iterable[Image], registry: Callable[[str], Registry]) -> dict[str, dict[str, str]]:
    """Return `tag` and `digest` for each image, by its value. Raises HapgError with what one of the registries lacks."""
    out = {}
    for image in wanted:
        found = registry(image.host)
        tag = newest(image, found.tags(image.repository)) if image.value == "image" else image.tag
        out[image.value] = {"tag": tag, "digest": found.digest(image.repository, tag)}
    return out


def newest(image: Image, existing: Iterable[str]) -> str:
    """Return the tag of the newest release of the image's major and variant: of 15-bookworm or 15.4-bookworm, say, 15.14-bookworm.

    A tag that is no version of PostgreSQL is returned as it is. Raises HapgError if there is no such release, or only older ones.
    """
    given = _RELEASE.fullmatch(image.tag)
    if given is None:
        return image.tag
    major, least, variant = given.groups()
    matches = filter(None, map(_RELEASE.fullmatch, existing))
    minors = [int(match[2]) for match in matches if (match[1], match[3]) == (major, variant) and match[2] is not None]
    if not minors:
        raise HapgError(f"{image}: the registry has no full release of it, such as {major}.1{variant or ''}")
    if least is not None and max(minors) < int(least):
        raise HapgError(f"{image}: not found; the registry's newest is {major}.{max(minors)}{variant or ''}")
    return f"{major}.{max(minors)}{variant or ''}"
