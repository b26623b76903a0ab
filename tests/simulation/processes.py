"""Processes in virtual time: the threads of one run of a container are greenlets, which wait for the engine instead of the clock.

Implements `hapg_failover.adapters.ports.runtime.Runtime`. One thread runs at a time, until it waits. A frozen process continues where it
was; the threads of a dead process never run again.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

if TYPE_CHECKING:
    from .world import World

JITTER = 1.1
LONG_S = 0.05


class Thread:
    """A thread of a process. ticket: identifies the wait it is in, None while it runs."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.ticket: object | None = None
        self._greenlet = greenlet(work)
        self._begun = False

    @property
    def ended(self) -> bool:
        """True if its work is done."""
        return bool(self._greenlet.dead)

    def go_on(self, told: Any) -> None:
        """Run until it waits again or ends; `told` is the result of its wait."""
        self._greenlet.parent = getcurrent()
        if self._begun:
            self._greenlet.switch(told)
        else:
            self._begun = True
            self._greenlet.switch()

    def wait(self) -> Any:
        """Let other threads run; return the value passed on waking."""
        return self._greenlet.parent.switch()

    def end(self) -> None:
        """Terminate it at its current point."""
        self._greenlet.parent = getcurrent()
        self._greenlet.throw(GreenletExit)


class Process:
    """One run of a container's program."""

    def __init__(self, world: World, member: int) -> None:
        self.world = world
        self.member = member
        self.frozen = False
        self._running = True
        self._threads: set[Thread] = set()
        self._current: Thread | None = None
        self._waiting: deque[Callable[[], None]] = deque()
        self._woken: list[Callable[[], None]] = []

    @property
    def running(self) -> bool:
        """True if the process is alive."""
        return self._running

    @running.setter
    def running(self, lives: bool) -> None:
        if lives or not self._running:
            return
        self._running = False
        self._waiting.clear()
        self._woken.clear()
        for thread in self._threads:
            if thread is not self._current:
                thread.end()
        self._threads.clear()

    def freeze(self) -> None:
        """Freeze the process."""
        self.frozen = True

    def thaw(self) -> None:
        """Thaw the process. Its threads wake in any order; input that arrived meanwhile keeps its order."""
        self.frozen = False
        woken, self._woken = self._woken, []
        self.world.random.shuffle(woken)
        at = self.world.randint(0, len(woken))
        self._waiting = deque([*woken[:at], *self._waiting, *woken[at:]])
        while self._waiting and self._running and not self.frozen:
            self._waiting.popleft()()

    def resume(self, do: Callable[[], None]) -> None:
        """Continue now, or once thawed; never after the process has died. Not to be called from a thread."""
        if not self._running:
            return
        if self.frozen or self._waiting:
            self._waiting.append(do)
            return
        do()

    def later(self, delay: float, do: Callable[[], None]) -> None:
        """Continue after `delay`, or once thawed."""
        self.world.engine.after(delay, lambda: self.resume(do))

    def spawn(self, work: Callable[[], None]) -> None:
        """Start a thread."""
        self._check()
        thread = Thread(work)
        self._threads.add(thread)
        self.later(0.0, lambda: self._run(thread, None))

    def park(self, seconds: float | None, ticket: object) -> Any:
        """Block the current thread until it is woken with this ticket, for at most `seconds` on its node's clock; return the value
        passed on waking."""
        self._check()
        thread = self.current
        thread.ticket = ticket
        if seconds is not None:
            delay = seconds / self.world.clock(self.member).rate
            delay *= self.world.uniform(1.0, JITTER) if seconds > LONG_S else 1.0
            self.wake_later(delay, thread, ticket, None)
        told = thread.wait()
        self._check()
        return told

    @property
    def current(self) -> Thread:
        """The running thread."""
        assert self._current is not None
        return self._current

    def wake(self, thread: Thread, ticket: object, told: Any) -> None:
        """Wake the thread that waits with this ticket, now or once thawed."""
        if not self._running or thread.ticket is not ticket:
            return
        if self.frozen or self._waiting:
            self._woken.append(lambda: self._wake_now(thread, ticket, told))
            return
        self._wake_now(thread, ticket, told)

    def _wake_now(self, thread: Thread, ticket: object, told: Any) -> None:
        if thread.ticket is ticket:
            thread.ticket = None
            self._run(thread, told)

    def wake_later(self, delay: float, thread: Thread, ticket: object, told: Any) -> None:
        """Like `wake`, after a delay."""
        self.world.engine.after(delay, lambda: self.wake(thread, ticket, told))

    def _run(self, thread: Thread, told: Any) -> None:
        if self._running:
            self._current = thread
            thread.go_on(told)
            self._current = None
            if thread.ended:
                self._threads.discard(thread)

    def point(self) -> None:
        """The process may have been told to die or freeze: stop here, or continue once thawed."""
        self._check()
        thread = self._current
        if not self.frozen or thread is None:
            return
        thread.ticket = ticket = object()
        self._woken.append(lambda: self._wake_now(thread, ticket, None))
        thread.wait()
        self._check()

    def _check(self) -> None:
        if not self._running:
            raise GreenletExit


class Condition:
    """A condition of one process. No lock is needed, since only one thread runs at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._waiters: list[tuple[Thread, object]] = []

    def __enter__(self) -> bool:
        return True

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a notification."""
        thread, ticket = self._process.current, object()
        self._waiters.append((thread, ticket))
        notified = self._process.park(timeout, ticket)
        self._waiters = [waiter for waiter in self._waiters if waiter[1] is not ticket]
        return bool(notified)

    def notify_all(self) -> None:
        """Wake all waiting threads."""
        waiters, self._waiters = self._waiters, []
        for thread, ticket in waiters:
            self._process.wake_later(0.0, thread, ticket, True)


class Mailbox:
    """A queue to one thread of a process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._items: deque[Any] = deque()
        self._filled = Condition(process)

    def put(self, item: Any) -> None:
        """Add an item."""
        self._items.append(item)
        self._filled.notify_all()

    def get(self, *, timeout: float | None = None) -> Any:
        """Wait for an item."""
        while not self._items:
            if not self._filled.wait(timeout) and not self._items:
                raise queue.Empty
        return self._items.popleft()

    def get_nowait(self) -> Any:
        """Take an item."""
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class Runtime:
    """Clock and concurrency of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        """CLOCK_BOOTTIME of the process's node."""
        return self._process.world.clock(self._process.member).now

    def wall_clock(self) -> float:
        """Not needed here."""
        return self.now()

    def unique_id(self) -> str:
        """Return a name that was never used before."""
        return f"v{self._process.member}-{self._process.world.next_serial()}"

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._process.park(seconds, object())

    def spawn(self, name: str, work: Callable[[], None]) -> None:
        """Start a thread."""
        self._process.spawn(work)

    def condition(self) -> Condition:
        """Return a new condition."""
        return Condition(self._process)

    def mailbox(self) -> Mailbox:
        """Return a new queue."""
        return Mailbox(self._process)
