"""What the fault tests stand on: it counts what it says, and ends whatever hangs."""

import os
import random
import signal
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.killing import Running, calls_counted, traced
from tests.faults.scheduling import Turns


@contextmanager
def waiting(script):
    """Make a process that waits for a line to run a script of the shell."""
    with subprocess.Popen(["sh", "-c", f"read word; {script}"], stdin=subprocess.PIPE) as process:
        try:
            yield Running(process, None, Path())
        finally:
            process.kill()


def tracer_of(running):
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.partition("TracerPid:")[2].split()[0])


def test_an_actor_that_waits_for_what_a_paused_one_holds_ends_the_run_and_everybody_leaves():
    turns, lock, left = Turns(random.Random(1), patience=0.5), threading.Lock(), []

    def hold():
        with ExitStack() as stack:
            stack.callback(left.append, threading.current_thread())
            stack.enter_context(lock)
            turns.pause()
            turns.pause()

    for _ in range(2):
        turns.add(hold)
    with pytest.raises(TimeoutError, match="does not give its turn back"):
        turns.run(lambda: None)

    assert len(left) == 2
    assert not lock.locked()


def test_a_tracer_that_does_not_let_go_is_ended():
    with waiting("exit") as running:
        with traced(running, "-o", os.devnull):
            os.kill(tracer_of(running), signal.SIGSTOP)

        assert tracer_of(running) == 0


def test_calls_are_counted_anew_each_time():
    counts = []
    for writes in (40, 3):
        with waiting(f"exec dd if=/dev/zero of=/dev/null bs=1 count={writes} status=none") as running:
            with calls_counted(running) as counted:
                running.process.communicate(b"go\n")
            counts.append(counted.most)

    assert 40 <= counts[0] < 60
    assert 3 <= counts[1] < 20
