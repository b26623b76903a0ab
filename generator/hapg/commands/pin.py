"""hapg pin: write values with the newest minor release of PostgreSQL and the digest of each image, as their registry has them."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path

import yaml

from hapg import files, yamlio
from hapg.chart import given_values, values
from hapg.errors import InputError, OutputError
from hapg.exits import DONE
from hapg.images import pins
from hapg.images.registry import Registry
from hapg.spec.version_profiles import PROFILES, USUAL

HEAD = "# Written by `hapg pin`, which renews it: image tags and digests as the registry has them.\n"
_LARGEST_CONFIG = 1024 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Give the file it writes to helm after your own: helm upgrade … -f my-values.yaml -f pins.yaml. Run it again to renew it."
    )
    parser.add_argument(
        "-f", "--values", action="append", default=[], type=Path, metavar="FILE", help="values file for the chart, as for helm"
    )
    parser.add_argument("--major", choices=tuple(PROFILES), default=USUAL, help="the chart's major (default: %(default)s)")
    parser.add_argument("--registry", default="", metavar="HOST[/PATH]", help="which one to ask for images whose values name none")
    parser.add_argument(
        "--registry-config", type=Path, metavar="FILE", help="file with logins, as `helm registry login` or docker write it"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where the values are written, over those of an earlier run (default: standard output)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask the registries, and write the values."""
    if options.output is not None:
        _check_replaceable(options.output)
    logins = {} if options.registry_config is None else _logins(options.registry_config)
    source = values.source({}, options.major)
    merged = given_values.merged(values.nested(source), *(given_values.read(path) for path in options.values))
    problems = values.given_problems(source, merged, complete=False)
    if problems:
        raise InputError(problems)
    wanted = pins.images(given_values.completed(source, merged), options.registry.rstrip("/"))
    found = pins.pins(wanted, lambda host: Registry(host, logins.get(host, "")))
    text = HEAD + yaml.dump(found, Dumper=yamlio.Dumper, sort_keys=False, allow_unicode=True)
    if options.output is None:
        print(text, end="")
    else:
        _write(options.output, text)
        print(f"{options.output}: written")
    return DONE


def _check_replaceable(path: Path) -> None:
    if path.exists() and not files.read(path, given_values.LARGEST).startswith(HEAD.encode()):
        raise OutputError(f"{path}: not a file of hapg pin; nothing was written")


def _logins(path: Path) -> Mapping[str, str]:
    """Return base64 of USER:PASSWORD by registry. Raises InputError if the file has no logins of its own."""
    try:
        found = json.loads(files.read(path, _LARGEST_CONFIG))["auths"]
        return {host: login["auth"] for host, login in found.items() if login.get("auth")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError([f'{path}: no logins found; JSON with {{"auths": {{HOST: {{"auth": …}}}}}} is read']) from error


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OutputError(f"{path}: can't be written: {error.strerror or error}") from error
