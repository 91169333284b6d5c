"""Audit the locked libraries for known weaknesses, and fail on whatever was not looked up (requirement S42).

    python .ci/audit.py PIP_AUDIT REQUIREMENTS…

The status is 0 when every library was looked up and none is known to be weak, 1 when one is, 2 when the audit is not
whole: a library that was skipped or left out, a database that could not be reached.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

WEAK, NOT_WHOLE = 1, 2
#: How long the database has for each answer, in seconds.
_PATIENCE = 30
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
_SEPARATORS = re.compile(r"[-_.]+")


def named(name: str) -> str:
    """Write the name of a library as the registry compares names."""
    return _SEPARATORS.sub("-", name).lower()


def pins(files: list[Path]) -> set[str]:
    """List the libraries that requirements pin."""
    return {named(name) for file in files for name in _PIN.findall(file.read_text(encoding="utf-8"))}


def report(wanted: set[str], told: list[dict[str, object]]) -> tuple[list[str], int]:
    """Judge what the auditor told of each library: lines to print, and the status."""
    skipped = {named(str(each["name"])): each["skip_reason"] for each in told if "skip_reason" in each}
    looked_up = {named(str(each["name"])) for each in told} - skipped.keys()
    lines = [f"NON AUDITÉ : {name} ({skipped.get(name, 'absent du rapport')})" for name in sorted(wanted - looked_up)]
    weak = [
        f"FAILLE : {each['name']} {each['version']} {flaw['id']}, corrigée en {', '.join(flaw['fix_versions']) or '?'}"
        for each in told
        for flaw in each.get("vulns", [])  # type: ignore[attr-defined]
    ]
    status = NOT_WHOLE if lines else WEAK if weak else 0
    verdict = ("aucune faille connue", "des failles sont connues", "audit incomplet, qui ne prouve rien")[status]
    return [*weak, *lines, f"{len(looked_up & wanted)} bibliothèques auditées sur {len(wanted)} : {verdict}."], status


def audit(auditor: str, files: list[Path]) -> tuple[list[str], int]:
    """Run the auditor over requirements, and judge its answer."""
    command = [auditor, "--disable-pip", "--require-hashes", "--progress-spinner=off", f"--timeout={_PATIENCE}"]
    command += ["--format=json", *(f"--requirement={file}" for file in files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = (done.stderr.strip().splitlines() or ["sans un mot"])[-1]
        return [f"L’audit n’a pas eu lieu, la base des failles n’a pas répondu ({why})."], NOT_WHOLE
    return report(pins(files), told)


def main() -> None:
    """Audit and tell."""
    auditor, *files = sys.argv[1:]
    lines, status = audit(auditor, [Path(file) for file in files])
    print("\n".join(lines))
    sys.exit(status)


if __name__ == "__main__":
    main()
