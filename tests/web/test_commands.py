"""Commands and the server, as real processes: what they say when something is missing."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(command, *arguments, folder, port=6999):
    environ = {**os.environ, "VAR": str(folder), "PORT": str(port)}
    return subprocess.run(
        [str(BIN / command), *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", ["sevres-verify", "sevres-ask", "sevres-mail"])
def test_a_command_that_finds_no_portal_says_where_it_looked_and_makes_none(tmp_path, command):
    done = run(command, "development.ini", folder=tmp_path / "nothing")

    assert done.returncode == 1
    assert f"Aucun portail dans {tmp_path / 'nothing'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nothing").exists()


def test_verifying_a_new_portal_ends_in_one_line(tmp_path):
    run("sevres-init", "development.ini", folder=tmp_path)

    done = run("sevres-verify", "development.ini", folder=tmp_path)

    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("Vérifié : 0 compte")


def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path):
    run("sevres-init", "development.ini", folder=tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = run("pserve", "development.ini", folder=tmp_path, port=port)

    assert "est déjà prise" in done.stderr
    assert "Traceback" not in done.stderr
