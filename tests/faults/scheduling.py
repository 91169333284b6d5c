"""Actors that take turns: each runs in a thread of its own, one at a time, and who is next is drawn.

    turns = Turns(random)
    turns.add(program)
    turns.run(look)          # looks after each slice

A slice ends where another process could come in between: before each step of a program (`Turns.pause`), before each
commit, and wherever the program would sleep.  So transactions overlap, and conflict, as the draw has it: what is drawn
again from the same seed happens again.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import transaction

from tests.sandbox.running import PATIENCE


class _Over(BaseException):
    """The run has ended: nobody goes on."""


def _shut() -> threading.Lock:
    """Make a gate that lets one through each time it is opened: quicker than a semaphore."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class _Actor(threading.Thread):
    def __init__(self, program: Callable[[], None], turns: "Turns") -> None:
        super().__init__(daemon=True)
        self.turn = _shut()
        self.failure: BaseException | None = None
        self.turns = turns
        self._program = program

    def run(self) -> None:
        self.turn.acquire()
        try:
            if not self.turns.is_over:
                self._program()
        except _Over:
            pass
        except BaseException as failure:  # whatever it is, the test is to tell it
            self.failure = failure
        finally:
            self.turns.leave(self)


class Turns:
    """The turns of one run; a slice that lasts longer than the patience ends it."""

    def __init__(self, drawing: random.Random, patience: float = PATIENCE) -> None:
        self.is_over = False
        self.slices = 0
        self._drawing = drawing
        self._patience = patience
        self._actors: list[_Actor] = []
        self._back = _shut()

    def add(self, program: Callable[[], None]) -> None:
        """Let one more actor in."""
        actor = _Actor(program, self)
        self._actors.append(actor)
        actor.start()

    def run(self, look: Callable[[], None]) -> None:
        """Give turns until nobody is left; what an actor or a look raises ends the run.

        :raises TimeoutError: when an actor waits for what one that pauses holds.
        """
        try:
            while self._actors:
                actor = self._drawing.choice(self._actors)
                actor.turn.release()
                if not self._back.acquire(timeout=self._patience):
                    raise TimeoutError(f"{actor.name} does not give its turn back")
                self.slices += 1
                if actor.failure is not None:
                    raise actor.failure
                look()
        finally:
            self._end()

    def _end(self) -> None:
        """Let everybody leave at once: what one waits for may be another's to let go."""
        self.is_over = True
        actors = list(self._actors)
        for actor in actors:
            actor.turn.release()
        for actor in actors:
            actor.join(self._patience)

    def pause(self) -> None:
        """Let others have their turn; whoever is no actor goes on."""
        actor = threading.current_thread()
        if not isinstance(actor, _Actor):
            return
        if self.is_over:
            raise _Over
        self._back.release()
        actor.turn.acquire()
        if self.is_over:
            raise _Over

    def leave(self, actor: _Actor) -> None:
        """Note that an actor has ended, and give the turn back."""
        self._actors.remove(actor)
        if not self.is_over:
            self._back.release()


@contextmanager
def pausing() -> Iterator[None]:
    """Have the commits and sleeps of actors pause."""
    commit, sleep = transaction.TransactionManager.commit, time.sleep

    def paused_commit(manager: Any) -> Any:
        _pause_of_actor()
        return commit(manager)

    def paused_sleep(seconds: float) -> None:
        if not _pause_of_actor():
            sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction.TransactionManager, "commit", paused_commit)
        patch.setattr(time, "sleep", paused_sleep)
        yield


def _pause_of_actor() -> bool:
    actor = threading.current_thread()
    if not isinstance(actor, _Actor):
        return False
    actor.turns.pause()
    return True
