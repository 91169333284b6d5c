"""Commands and the server, as real processes: what they say when something is missing."""

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
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


@pytest.fixture
def taken():
    """A port that something else listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path, taken):
    run("sevres-init", "development.ini", folder=tmp_path)

    done = run("pserve", "development.ini", folder=tmp_path, port=taken)

    assert "est déjà prise" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("sevres-bank", ["--key-file", "none", "--rest-password-file", "none", "--port"]),
        ("sevres-mailbox", ["--port"]),
        ("sevres-mailbox", ["--smtp-port"]),
    ],
)
def test_the_bank_and_the_mailbox_name_a_port_that_is_taken_before_they_begin(tmp_path, taken, command, options):
    done = run(command, "--folder", str(tmp_path / "begun"), *options, str(taken), folder=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Le port {taken} est déjà pris")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "begun").exists()


@pytest.mark.parametrize("command", ["sevres-init", "sevres-verify", "sevres-mail"])
def test_a_database_of_another_version_is_told_in_a_sentence(tmp_path, command):
    """Records of a version that sealed none, or a disk that gives something else back."""
    run("sevres-init", "development.ini", folder=tmp_path)
    (database,) = tmp_path.rglob("main.sqlite3")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE object_state SET state = substr(state, 1, length(state) - 1) WHERE zoid = 0")

    done = run(command, "development.ini", folder=tmp_path)

    assert done.returncode == 1
    assert "La base est abîmée, ou d’une autre version" in done.stderr
    assert "Traceback" not in done.stderr
