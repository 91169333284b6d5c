"""A process that is killed at a system call: SIGKILL instead of the n-th write, sync or message of one of its threads.

    running = start(town, "sevres-import", "file.csv")
    with killed_at(running, 40):               # instead of its fortieth call; it may end before that
        running.go()
        running.wait()

strace puts the signal in the place of the call, so that what stood before it is done and it is not: to kill at each
number in turn is to kill between every two things that can be seen from outside the process: what it wrote to files
(SQLite's among them), had synced, sent to the bank, to browsers, to the mail relay.
"""

import contextlib
import multiprocessing
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.faults import commands
from tests.journeys.town import Town
from tests.sandbox.running import PATIENCE

#: What is seen from outside a process.
CALLS = "write,pwrite64,fsync,fdatasync,ftruncate,unlink,rename,connect,sendto,sendmsg"

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["tests.faults.commands"])


@dataclass(frozen=True)
class Running:
    """A command that waits for the word to go, or runs."""

    process: Any
    gate: Connection
    log: Path

    def go(self) -> None:
        """Let it run."""
        self.gate.send(True)

    def wait(self) -> int:
        """Wait for its end, and give its status: negative when it was killed."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, self.log.read_text()
        return int(self.process.exitcode)

    @property
    def is_alive(self) -> bool:
        """Whether it runs: a process that was killed while it is traced is not reaped before its tracer lets it go."""
        try:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except FileNotFoundError:
            return False

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join(PATIENCE)


def start(town: Town, command: str, *arguments: str) -> Running:
    """Make the process of a command of a town, with the town's ini; the portal's log stands with its database."""
    waiting, gate = _forking.Pipe(duplex=False)
    log = (town.folder if command == "pserve" else town.bank.folder) / f"{command}.log"
    environ = {"PORT": str(town.port), "VAR": str(town.folder / "var")}
    process = _forking.Process(
        target=commands.run, args=(command, (str(town.ini), *arguments), environ, log, waiting), daemon=True
    )
    process.start()
    waiting.close()
    return Running(process, gate, log)


@contextlib.contextmanager
def killed_at(running: Running, number: int, calls: str = CALLS) -> Iterator[None]:
    """Kill a process at a call of that number within the block, counted thread by thread from its beginning."""
    words = ["strace", "-f", "-o", os.devnull, "-p", str(running.process.pid)]
    words += ["-e", f"trace={calls}", "-e", f"inject={calls}:signal=SIGKILL:when={number}"]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
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


def calls_of(running: Running, calls: str = CALLS) -> "Tracing":
    """Count the calls of a process from now on."""
    return Tracing(running, calls)


class Tracing:
    """What counts the calls of a process: ``most`` tells how many a thread made, once it is stopped."""

    def __init__(self, running: Running, calls: str) -> None:
        self._log = running.log.with_suffix(".calls")
        words = ["strace", "-ff", "-o", str(self._log), "-p", str(running.process.pid), "-e", f"trace={calls}"]
        self._tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert self._tracer.stderr is not None
        assert "attached" in self._tracer.stderr.readline()

    def stop(self) -> int:
        """Stop, and give how many calls the busiest thread made."""
        self._tracer.terminate()
        self._tracer.communicate()
        logs = self._log.parent.glob(f"{self._log.name}.*")
        return max(len(log.read_text(errors="replace").splitlines()) for log in logs)
