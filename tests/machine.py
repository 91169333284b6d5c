"""What tests need of a machine beside Python: Debian's programs, and what git holds.

CI has them all.  Elsewhere a test that lacks one is left out, and says so.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]


def program(name: str, package: str) -> str:
    """Find a program of a package of Debian's."""
    return shutil.which(name) or lacking(name, package)


def lacking(what: str, package: str) -> NoReturn:
    """Leave a test out, in CI fail it."""
    missing = f"{what} is not installed (apt-get install {package})"
    (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


def tracked(*folders: str) -> list[str]:
    """List the files that git holds, in these folders or in all; whoever's the checkout is."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name]
