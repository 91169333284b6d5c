"""What the fault tests stand on: it counts what it says, and ends whatever hangs."""

import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.killing import Point, Running, calls_of, killed_at, traced
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


#: Writes three bytes with a sync after each, in a Python that measures no coverage: that would write, too.
WRITING = f"""exec {sys.executable} -S -c '
import os
file = os.open("written", os.O_CREAT | os.O_WRONLY)
for byte in (b"1", b"2", b"3"):
    os.write(file, byte)
    os.fsync(file)
'"""


def test_each_call_of_a_process_is_a_point_where_it_can_be_killed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with waiting(WRITING) as running, calls_of(running) as points:
        running.process.communicate(b"go\n")
    assert points == [Point(call, number) for number in (1, 2, 3) for call in ("write", "fsync")]

    for point, written in ((Point("write", 3), "12"), (Point("fsync", 1), "1"), (Point("fsync", 3), "123")):
        (tmp_path / "written").unlink()
        with waiting(WRITING) as running:
            with killed_at(running, point):
                running.process.communicate(b"go\n")
            assert running.process.wait(10) == -signal.SIGKILL
        assert (tmp_path / "written").read_text() == written
