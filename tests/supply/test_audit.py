"""The audit of libraries: what was not looked up fails it, as much as what is known to be weak (requirement S42)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = "waitress==3.0.2 \\\n    --hash=sha256:00\nZODB==6.4 \\\n    --hash=sha256:00\n"
SOUND = {"name": "waitress", "version": "3.0.2", "vulns": []}
WEAK = {"name": "zodb", "version": "6.4", "vulns": [{"id": "PYSEC-2027-1", "fix_versions": ["6.5"]}]}
SKIPPED = {"name": "zodb", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def audit(tmp_path):
    """Run the audit with an auditor that answers so; give status and words."""

    def run(answer, status=0, complaint=""):
        auditor = tmp_path / "auditor"
        auditor.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"assert '--require-hashes' in sys.argv\nprint({answer!r})\nsys.exit({complaint!r} or {status})\n"
        )
        auditor.chmod(0o700)
        (tmp_path / "locked.txt").write_text(LOCKED)
        command = [sys.executable, str(ROOT / ".ci" / "audit.py"), str(auditor), str(tmp_path / "locked.txt")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    return run


def told(*libraries):
    return json.dumps({"dependencies": libraries})


def test_of_libraries_without_a_known_weakness_succeeds(audit):
    status, words = audit(told(SOUND, {**WEAK, "vulns": []}))

    assert status == 0
    assert words == "2 bibliothèques auditées sur 2 : aucune faille connue.\n"


def test_of_a_weak_library_fails_naming_it_and_its_mend(audit):
    status, words = audit(told(SOUND, WEAK), status=1)

    assert status == 1
    assert "FAILLE : zodb 6.4 PYSEC-2027-1, corrigée en 6.5" in words


def test_that_skipped_a_library_fails_though_the_auditor_is_content(audit):
    status, words = audit(told(SOUND, SKIPPED), status=0)

    assert status == 2
    assert "NON AUDITÉ : zodb (Dependency not found on PyPI)" in words
    assert "1 bibliothèques auditées sur 2" in words


def test_that_left_a_library_out_fails(audit):
    status, words = audit(told(SOUND))

    assert status == 2
    assert "NON AUDITÉ : zodb (absent du rapport)" in words


def test_that_skipped_one_library_and_found_another_weak_tells_both(audit):
    status, words = audit(told({**WEAK, "name": "waitress"}, SKIPPED))

    assert status == 2
    assert "FAILLE : waitress" in words
    assert "NON AUDITÉ : zodb" in words


@pytest.mark.parametrize("answer", ["", "not json", "[]"])
def test_whose_database_did_not_answer_fails_and_says_so(audit, answer):
    status, words = audit(answer, complaint="ConnectionError: Max retries exceeded")

    assert status == 2
    assert "L’audit n’a pas eu lieu" in words
    assert "ConnectionError" in words
