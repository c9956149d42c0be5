"""Declarations on a machine that was set up: beside the lines in its fstab, and in its blank, for a boot
without the hook.
"""

from __future__ import annotations

import configparser
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from impermanenced.keep import units
from tests.conftest import sh

from .machine import Stock

LOCAL = "usr/local/lib/systemd/system"
GENERATOR = Path("/usr/lib/systemd/system-generators/systemd-fstab-generator")


@pytest.fixture
def machine(stock: Stock) -> Stock:
    """Set up, booted once, and with something new in it."""
    said = stock.run("setup", "--yes")
    assert said.returncode == 0, said.stderr
    assert stock.boot().result.action == "wiped"
    (stock.root / "var/lib/new").mkdir()
    (stock.root / "var/lib/new/data").write_text("data\n")
    return stock


def releases(machine: Stock) -> list[Any]:
    found: list[Any] = machine.document("releases", "blank", "list")["releases"]
    return found


def section(path: Path, name: str) -> dict[str, str]:
    """One section of a unit, in which a key may come twice."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return dict(parser[name])


def mounting(machine: Stock) -> str:
    """What systemd would do for the mount units that the root has of its own."""
    lines = []
    for unit in sorted((machine.root / LOCAL).glob("*.mount")):
        mount = section(unit, "Mount")
        what, where = mount["What"], mount["Where"]
        lines.append(f"[ -e {where} ] || mkdir -p {where}")
        lines.append(f"mountpoint -q {where} || mount --bind {what} {where}")
    return "\n".join(["set -e", "mount --all", *lines, ""])


def test_a_set_up_counts_the_blank(machine: Stock) -> None:
    (one,) = releases(machine)
    assert (one["number"], one["made_by"], one["current"]) == (1, "setup", True)
    assert one["manifest"] and machine.run("blank", "verify", "--content", booted=True).returncode == 0


def test_what_is_declared_is_mounted_in_a_boot_without_the_hook_too(machine: Stock) -> None:
    said = machine.shell("impermanence persist --yes /var/lib/new")
    assert said.returncode == 0, said.stderr
    words = said.stdout.splitlines()[-1]
    assert words.startswith("done: make release 2 of the blank: /"), said.stdout
    assert releases(machine)[0]["made_by"] == "keep"
    assert machine.boot().result.action == "wiped"
    assert (machine.root / LOCAL / "var-lib-new.mount").is_file()
    assert (machine.root / LOCAL / "local-fs.target.wants/impermanence.target").is_symlink()
    said = machine.shell(f"{mounting(machine)}\nimpermanence doctor")
    assert said.stdout == "nothing is wrong.\n"
    assert machine.boot("impermanence=off").result.action == "off"
    said = machine.shell(f"{mounting(machine)}\ncat /var/lib/new/data /home/alice/letter")
    assert said.stdout == "data\ndear reader\n", said.stderr
    # A second declaration names itself alone, and one that goes is taken out.
    (machine.root / "var/lib/more").mkdir()
    said = machine.shell(f"{mounting(machine)}\nimpermanence persist --yes /var/lib/more")
    assert said.stdout.splitlines()[-1] == "done: make release 3 of the blank: /var/lib/more persists"
    said = machine.shell(f"{mounting(machine)}\nimpermanence unpersist --yes /var/lib/new")
    words = said.stdout.splitlines()[-1]
    assert words == "done: make release 4 of the blank: /var/lib/new no longer persists"
    assert not (machine.top / "@rootfs-blank" / LOCAL / "var-lib-new.mount").exists()


def test_wiping_that_is_off_leaves_what_is_declared_mounted(machine: Stock) -> None:
    """No hook hands anything over then: the units of the root itself do it, now and after later boots."""
    assert machine.shell("impermanence persist --yes /var/lib/new").returncode == 0
    assert machine.boot().result.action == "wiped"
    said = machine.shell(f"{mounting(machine)}\nimpermanence setup --off && echo more >> /var/lib/new/data")
    assert said.returncode == 0, said.stderr
    for _ in range(2):
        assert machine.boot().result.action == "off"
        said = machine.shell(f"{mounting(machine)}\ncat /var/lib/new/data /home/alice/letter")
        assert said.stdout == "data\nmore\ndear reader\n", said.stderr
    said = machine.shell(f"{mounting(machine)}\nimpermanence setup")
    assert said.returncode == 0 and machine.boot().result.action == "wiped"


def test_nothing_new_makes_no_release(machine: Stock) -> None:
    said = machine.shell(f"{mounting(machine)}\nimpermanence apply")
    assert "make release 2 of the blank" in said.stdout
    assert machine.boot().result.action == "wiped"
    sh("cp", "-r", machine.root / "usr/local", machine.root / "tmp")  # a command's /usr/local is empty
    said = machine.shell(f"cp -r /tmp/local/. /usr/local; {mounting(machine)}\nimpermanence apply")
    assert "release" not in said.stdout, said.stdout
    assert [one["number"] for one in releases(machine)] == [2, 1]


def test_a_configuration_that_nothing_keeps_goes_into_the_blank(machine: Stock) -> None:
    rule = '[watch]\nignore = ["/var/lib/new/"]\n'
    drop_in = "/etc/impermanence/config.d/mine.toml"
    said = machine.shell(f"umount /etc/impermanence; printf %s '{rule}' > {drop_in}; impermanence apply")
    assert "make release 2 of the blank" in said.stdout, said.stdout
    assert (machine.top / "@rootfs-blank" / drop_in[1:]).read_text() == rule


def test_a_link_in_the_blank_leads_nowhere(machine: Stock) -> None:
    (machine.root / "usr/local").symlink_to("/var/lib/new")
    machine.filesystem.snapshot("@rootfs", "other", readonly=False)
    said = machine.run("blank", "create", "--from", "other", booted=True)
    assert said.returncode == 0, said.stderr
    assert (machine.top / "@rootfs-blank/usr/local").is_symlink()
    said = machine.shell("impermanence persist --yes /var/lib/new")
    assert said.returncode == 0
    assert "/usr/local in the blank is no directory" in said.stderr
    assert os.listdir(machine.root / "var/lib/new") == ["data"]


def test_lines_of_fstab_and_units_mount_the_same(machine: Stock, tmp_path: Path) -> None:
    """systemd finds both: what its own generator makes of the fstab, and what the hook hands over."""
    if not GENERATOR.exists():
        pytest.skip("needs systemd-fstab-generator: apt-get install systemd")
    said = machine.shell("impermanence persist --yes /var/lib/new")
    assert said.returncode == 0, said.stderr
    generated, handed = tmp_path / "generated", tmp_path / "handed"
    for directory in (generated, handed):
        directory.mkdir()
    fstab = machine.root / "etc/fstab"
    subprocess.run(
        [GENERATOR, generated, generated, generated],
        env={**os.environ, "SYSTEMD_FSTAB": os.fspath(fstab), "SYSTEMD_PROC_CMDLINE": "quiet"},
        check=True,
    )
    sh("cp", "-r", f"{machine.top}/.impermanence/compiled/units/.", handed)
    (handed / "local-fs.target.wants").mkdir()
    (handed / "local-fs.target.wants" / units.TARGET).symlink_to(f"../{units.TARGET}")
    lines = {path.name: section(path, "Mount") for path in generated.glob("*.mount")}
    ours = {path.name: section(path, "Mount") for path in handed.glob("*.mount")}
    both = lines.keys() & ours.keys()
    assert lines.keys() - both == {"-.mount", "persist.mount"}
    assert ours.keys() - both == {"var-lib-new.mount"}
    assert len(both) > 5
    for name in both:
        for key in ("What", "Where"):
            assert lines[name][key] == ours[name][key]
    # All of it is one transaction without a cycle, in which what was handed over goes first.
    path = f"{handed}:{generated}:/usr/lib/systemd/system"
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "local-fs.target"],
        env={**os.environ, "SYSTEMD_UNIT_PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cycle" not in checked.stderr and checked.returncode == 0, checked.stderr


def test_packages_that_were_installed_here_are_told_at_login_and_by_status(machine: Stock) -> None:
    """As the hook of the package manager does it; an update of the blank ends it."""
    with open(machine.root / "var/lib/dpkg/status", "a", encoding="utf-8") as books:
        books.write("Package: tool\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n")
    login = "/run/motd.d/impermanence-packages"
    bring = "impermanence blank create /var/lib/dpkg/status >&2; impermanence update --notice"
    show = f"impermanence update --notice; cat {login}; impermanence status"
    said = machine.shell(f"{show}; {bring}; ls {login}")
    line = "not as in the blank: tool; the next boot undoes that, unless you keep it:  "
    line += "impermanence update --same"
    assert said.stdout.splitlines()[:2] == [f"impermanence: {line}"] * 2
    assert said.stdout.splitlines()[2:].count(line) == 1
    assert f"'{login}': No such file" in said.stderr
