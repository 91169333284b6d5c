"""The units that we give to towns: systemd reads them, they start what there is, and may do little."""

import base64
import hashlib
import re
import shutil
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.machine import program

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.iterdir() if path.is_file())
HARDENING = (UNITS / "espace-familles-.service.d" / "hardening.conf").read_text(encoding="utf-8")


def commands() -> set[str]:
    return {
        name
        for unit in UNITS.glob("*.service")
        for name in re.findall(r"/opt/espace-familles/bin/(\S+)", unit.read_text())
    }


def test_start_commands_that_there_are():
    ours = {each.name for each in entry_points(group="console_scripts")}

    assert commands() <= ours | {"pserve"}
    assert {"pserve", "sevres-ask", "sevres-mail", "sevres-backup", "sevres-verify", "sevres-purge"} <= commands()


@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.timer")), ids=lambda path: path.name)
def test_each_timer_has_its_service(unit):
    assert unit.with_suffix(".service").exists()


def test_no_service_waits_for_the_success_of_another_command():
    """Files of print runs hold passwords in clear: they are deleted each night, whatever becomes of the purge."""
    started = {
        unit.name: re.findall(r"^Exec\w+=(.*)$", unit.read_text(), re.MULTILINE) for unit in UNITS.glob("*.service")
    }

    assert [name for name, commands in started.items() if len(commands) != 1] == []
    assert started["espace-familles-clean.service"][0].endswith("sevres-print /etc/espace-familles/portail.ini --clean")
    assert "OnCalendar=*-*-*" in (UNITS / "espace-familles-clean.timer").read_text()


def test_let_a_worker_ask_how_wrong_the_clock_may_be_and_not_set_it():
    assert "ProtectClock=" not in re.sub("#.*", "", HARDENING)
    assert HARDENING.rindex("SystemCallFilter=adjtimex clock_adjtime") > HARDENING.index(
        "SystemCallFilter=~@privileged"
    )


#: What takes the lock of the folder of backups, or reads the newest in it.
BACKUPS = sorted(path for path in UNITS.glob("*.service") if "/var/backups/espace-familles" in path.read_text())


def test_backups_are_quick_by_day_full_and_checked_by_night_and_the_drill_restores_one_that_is_there():
    lines = {
        path.stem.removeprefix("espace-familles-"): re.search(
            r"ExecStart=\S+/(\S+) \S+ (.*)", path.read_text()
        ).groups()
        for path in BACKUPS
    }

    folder = "/var/backups/espace-familles"
    assert lines == {
        "backup": ("sevres-backup", f"{folder} --quick --keep 48 35 12"),
        "nightly": ("sevres-backup", f"{folder} --check --keep 48 35 12"),
        "pack": ("sevres-pack", folder),
        "drill": ("sevres-restore", f"{folder} --check"),
    }


def test_what_is_done_at_night_does_not_begin_with_the_backup_of_a_quarter_of_an_hour():
    for unit in BACKUPS:
        (minutes,) = re.findall(r"OnCalendar=.*:(\S+)", unit.with_suffix(".timer").read_text())
        assert minutes == "0/15" if unit.stem.endswith("-backup") else 3 < int(minutes) % 15 < 12


def test_run_as_nobody_who_can_write_elsewhere_or_become_another():
    for line in (
        "User=espace-familles",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "UMask=0077",
    ):
        assert f"\n{line}\n" in HARDENING


def test_systemd_understands_them(tmp_path):
    analyze = program("systemd-analyze", "systemd")
    system = tmp_path / "etc/systemd/system"
    shutil.copytree(UNITS, system)
    binaries = tmp_path / "opt/espace-familles/bin"
    binaries.mkdir(parents=True)
    for name in commands():
        (binaries / name).touch(mode=0o755)
    shutil.copytree("/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    names = [name.replace("@.", "@6543.") for name in NAMES]

    told = subprocess.run(
        [analyze, "verify", f"--root={tmp_path}", *names], capture_output=True, text=True, check=False
    )

    assert (told.returncode, [line for line in told.stderr.splitlines() if "espace-familles" in line]) == (0, [])


def test_the_page_of_the_proxy_may_have_the_style_that_it_has():
    page = (ROOT / "deploy/nginx/indisponible.html").read_text(encoding="utf-8")
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"'sha256-{digest}'" in (ROOT / "deploy/nginx/espace-familles.conf").read_text(encoding="utf-8")
