"""Processes in virtual time: the threads of one run of a container are greenlets, which wait for the engine instead of the clock.

`Runtime` is what `hapg_failover.adapters.ports.Runtime` asks for. One thread runs at a time, until it waits. A process may freeze, and
goes on where it was; a thread of a process that has died never gets any further.
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
    """A thread of a process. ticket: of what it waits for, None while it runs."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.ticket: object | None = None
        self._greenlet = greenlet(work)
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether its work is done."""
        return bool(self._greenlet.dead)

    def go_on(self, told: Any) -> None:
        """Run until it waits again, or ends; what it waits for is `told`."""
        self._greenlet.parent = getcurrent()
        if self._begun:
            self._greenlet.switch(told)
        else:
            self._begun = True
            self._greenlet.switch()

    def wait(self) -> Any:
        """Let others run; return what it is told."""
        return self._greenlet.parent.switch()

    def end(self) -> None:
        """End it where it is."""
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
        """Whether the process lives."""
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
        """Stop the process where it is."""
        self.frozen = True

    def thaw(self) -> None:
        """Let the process go on. Its threads wake in any order; what came in from outside meanwhile keeps its own."""
        self.frozen = False
        woken, self._woken = self._woken, []
        self.world.random.shuffle(woken)
        at = self.world.randint(0, len(woken))
        self._waiting = deque([*woken[:at], *self._waiting, *woken[at:]])
        while self._waiting and self._running and not self.frozen:
            self._waiting.popleft()()

    def resume(self, do: Callable[[], None]) -> None:
        """Go on now, or when thawed; never once the process is dead. Not for a thread to call."""
        if not self._running:
            return
        if self.frozen or self._waiting:
            self._waiting.append(do)
            return
        do()

    def later(self, delay: float, do: Callable[[], None]) -> None:
        """Go on after `delay`, or when thawed."""
        self.world.engine.after(delay, lambda: self.resume(do))

    def spawn(self, work: Callable[[], None]) -> None:
        """Start a thread."""
        self._check()
        thread = Thread(work)
        self._threads.add(thread)
        self.later(0.0, lambda: self._run(thread, None))

    def park(self, seconds: float | None, ticket: object) -> Any:
        """Have the current thread wait until it is woken for this ticket, `seconds` of its node's clock at most; return what it is told."""
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
        """The thread that runs."""
        assert self._current is not None
        return self._current

    def wake(self, thread: Thread, ticket: object, told: Any) -> None:
        """Let a thread go on that waits for this ticket, now or when thawed."""
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
        """The same after a while."""
        self.world.engine.after(delay, lambda: self.wake(thread, ticket, told))

    def _run(self, thread: Thread, told: Any) -> None:
        if self._running:
            self._current = thread
            thread.go_on(told)
            self._current = None
            if thread.ended:
                self._threads.discard(thread)

    def point(self) -> None:
        """Here the process may have been told to die or to freeze: stop, or go on once it is thawed."""
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
    """A condition of one process. Its lock is that nobody else runs."""

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
        """Wake all that wait."""
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
    """Time and concurrency of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def now(self) -> float:
        """Boot time of the process's node."""
        return self._process.world.clock(self._process.member).now

    def wall_clock(self) -> float:
        """Not of interest here."""
        return self.now()

    def unique_id(self) -> str:
        """Return a name that was never given before."""
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
