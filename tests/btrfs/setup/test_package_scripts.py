"""The scripts of the Debian package on a machine that was set up, whatever state that is in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .cut import SCRIPT
from .machine import RELEASE, Stock
from .test_converted import KEPT

DEBIAN = Path(__file__).parents[3] / "debian"
OLDER = "5.10.0-test"


def script(machine: Stock, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """A maintainer script, as dpkg runs it."""
    return machine.shell(f"sh {DEBIAN}/impermanenced.{name} {' '.join(argv)}")


def add_kernel(machine: Stock) -> Path:
    """An older kernel, and its initrd from before the package came."""
    image = machine.root / f"boot/initrd.img-{OLDER}"
    for path in (machine.root / f"boot/vmlinuz-{OLDER}", image):
        path.write_text("init\n")
    for release in (OLDER, RELEASE):
        (machine.programs / "lib/modules" / release).mkdir(parents=True)
    return image


def test_an_upgrade_renews_the_initrds_that_no_trigger_does(stock: Stock) -> None:
    image = add_kernel(stock)
    builder = stock.programs / stock.layout.builder
    builder.write_text('#!/bin/sh\necho "$@" >> /built\n')
    assert script(stock, "postinst", "configure").stderr == ""
    assert not (stock.root / "built").exists(), "a first installation"
    # The image is older than the program, and so is that of the newest kernel, which the trigger builds.
    image.touch()
    (stock.programs / "lib/impermanence/impermanence-rollback").chmod(0o755)
    assert script(stock, "postinst", "configure", "0.0.1").returncode == 0
    assert (stock.root / "built").read_text() == f"-u -k {OLDER}\n"
    # One that is as new stays as it is, and one that fails is named.
    image.touch()
    script(stock, "postinst", "configure", "0.0.1")
    assert (stock.root / "built").read_text() == f"-u -k {OLDER}\n"
    builder.write_text("#!/bin/sh\nexit 1\n")
    (stock.programs / "lib/impermanence/impermanence-rollback").chmod(0o755)
    said = script(stock, "postinst", "configure", "0.0.1")
    assert said.returncode == 0
    assert said.stderr == f"impermanenced: these initrds still have the hook of before: {OLDER}\n"


@pytest.mark.parametrize("moment", [None, 30, 70])
def test_a_removal_leaves_a_machine_that_boots(stock: Stock, moment: int | None) -> None:
    """Set up, or in the middle of it: nothing is wiped, and everything is there."""
    if moment is None:
        assert stock.run("setup", "--yes").returncode == 0
    else:
        assert stock.python(SCRIPT, str(moment), "setup", "--yes").returncode == -9
    said = script(stock, "prerm", "remove")
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    assert stock.boot().result.action == "off"
    for path, content in KEPT.items():
        assert stock.shell(f"cat /{path}").stdout == content
    assert stock.shell("echo later > /home/alice/later && echo later > /etc/later && sync").returncode == 0
    assert stock.boot().result.action == "off"
    assert stock.shell("cat /home/alice/later /etc/later").stdout == "later\nlater\n"
