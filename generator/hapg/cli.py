"""The command line of hapg: how a command is run, and how errors are printed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from hapg import commands, interrupts, streams
from hapg.errors import HapgError, InputError
from hapg.exits import FAILED, REFUSED, SIGNALLED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run hapg and return its exit code.

    0: done. 1: drift, an output that can't be written, or a request that the release can't carry out. 2: input refused. 130, 143 and
    others from 129 on: ended by a signal, 128 plus its number. SystemExit: for a wrong command line and for --help.
    """
    streams.repair()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with interrupts.raised():
            return _flushed(lambda: _run(given))
    except BrokenPipeError:
        # The reader of the output has closed it.
        return FAILED
    except KeyboardInterrupt as interrupt:
        return _complain("interrupted", SIGNALLED + getattr(interrupt, "number", signal.SIGINT))
    except InputError as error:
        return _complain(str(error), REFUSED)
    except HapgError as error:
        return _complain(str(error), FAILED)
    except OSError as error:
        return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}", FAILED)
    except Exception as error:
        return _complain(_bug(error), FAILED)
    finally:
        streams.give_up()


def _run(given: Sequence[str]) -> int:
    options = commands.parser(given[:1]).parse_args(given)
    code: int = options.run(options)
    return code


def _flushed(run: Callable[[], int]) -> int:
    try:
        return run()
    finally:
        sys.stdout.flush()


def _bug(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else "an unknown place"
    return f"a bug in hapg, please report it: {type(error).__name__}: {error} at {place}"


def _complain(text: str, code: int) -> int:
    with suppress(OSError):
        for line in text.splitlines():
            print(f"error: {line}", file=sys.stderr)
    return code
