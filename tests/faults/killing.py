"""A process that is killed at a system call: SIGKILL in the place of one write, sync or message of its threads.

    running = start("sevres-import", [ini, "file.csv"], environ, log)
    with calls_of(running) as points:          # what it does undisturbed
        running.go()
        running.wait()
    with killed_at(another, points[40]):       # instead of its fortieth call; it may end before that
        another.go()
        another.wait()

strace puts the signal in the place of the call, so that what stood before it is done and it is not: to kill at each
point in turn is to kill between every two things that can be seen from outside the process: what it wrote to files
(SQLite's among them), had synced, sent to the bank, to browsers, to the mail relay.
"""

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults import commands
from tests.forking import forking
from tests.sandbox.running import PATIENCE

#: What is seen from outside a process.
CALLS = (
    *("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "unlink", "rename"),
    *("connect", "sendto", "sendmsg"),
)


@dataclass(frozen=True)
class Running:
    """A command that waits for the word to go, or runs."""

    process: Any
    gate: Connection
    log: Path

    def go(self) -> None:
        """Let it run."""
        self.gate.send(True)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for its end, and give its status: negative when it was killed."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, self.log.read_text()
        return int(self.process.exitcode)

    @property
    def is_alive(self) -> bool:
        """Whether it runs: a process that was killed while it is traced is not reaped before its tracer lets it go."""
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join(PATIENCE)


def start(command: str, arguments: Sequence[str | Path], environ: Mapping[str, str], log: Path) -> Running:
    """Make the process of a command, which waits for the word to go."""
    waiting, gate = forking.Pipe(duplex=False)
    process = forking.Process(
        target=commands.run, args=(command, [*map(str, arguments)], environ, log, waiting), daemon=True
    )
    process.start()
    waiting.close()
    return Running(process, gate, log)


class Point(NamedTuple):
    """A moment of a process: the call of that name and number of one of its threads, as strace counts them."""

    call: str
    number: int


@contextmanager
def killed_at(running: Running, point: Point) -> Iterator[None]:
    """Kill a process at a point within the block, counted from its beginning."""
    kill = f"inject={point.call}:signal=SIGKILL:when={point.number}"
    with traced(running, "-o", os.devnull, "-e", f"trace={point.call}", "-e", kill):
        yield


@contextmanager
def calls_of(running: Running) -> Iterator[list[Point]]:
    """Find the points that a process goes through within the block: they are in the list at its end."""
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        with traced(running, "-ff", "-o", f"{folder}/thread", "-e", f"trace={','.join(CALLS)}"):
            yield points
        for log in Path(folder).iterdir():
            points += _points_in(log.read_text(errors="replace").splitlines())


def _points_in(lines: Sequence[str]) -> Iterator[Point]:
    """Number the calls of one thread, each among those of its name."""
    numbers: Counter[str] = Counter()
    for line in lines:
        call = line.partition("(")[0]
        if call in CALLS:
            numbers[call] += 1
            yield Point(call, numbers[call])


@contextmanager
def traced(running: Running, *words: str) -> Iterator[None]:
    """Attach strace to a process and to what it starts, with these arguments, within the block."""
    command = ["strace", "-f", "-p", str(running.process.pid), *words]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        assert "attached" in said, said
        yield
    finally:
        tracer.terminate()
        try:
            tracer.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            # It waits for ever, at times, for a thread of what it killed.
            tracer.kill()
            tracer.communicate()
