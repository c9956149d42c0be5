"""The scripts of the Debian package: a machine without it wipes nothing, and an upgrade changes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

DEBIAN = Path(__file__).parents[2] / "debian"
# A machine with three kernels, one of them half removed.
MACHINE = """
mount -t tmpfs tmpfs /boot
mkdir /boot/upper /boot/work
mount -t overlay -o "lowerdir=/usr/lib,upperdir=/boot/upper,workdir=/boot/work" overlay /usr/lib
mkdir -p /lib/modules/6.1.0-1 /lib/modules/6.1.0-2
touch /boot/initrd.img-6.1.0-1 /boot/initrd.img-6.1.0-2 /boot/initrd.img-5.10.0-9
exec "$@"
"""


def run(
    directory: Path, script: str, *words: str, has: tuple[str, ...], fails: tuple[str, ...] = ()
) -> tuple[list[str], str]:
    """The programs that a script calls, on a machine that has these alone, and what it says."""
    programs = directory / "bin"
    programs.mkdir()
    for name in has:
        program = programs / name
        status = 1 if name in fails else 0
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {directory}/called\nexit {status}\n')
        program.chmod(0o755)
    (directory / "called").touch()
    argv = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", MACHINE, "sh"]
    # Nothing of the machine's own PATH but what the shell has built in.
    said = subprocess.run(
        [*argv, "/usr/bin/env", f"PATH={programs}", "/bin/sh", DEBIAN / f"impermanenced.{script}", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return (directory / "called").read_text().splitlines(), said.stderr


@pytest.mark.parametrize("words", [("remove",), ("remove", "in-favour", "other", "1")])
def test_wiping_is_switched_off_before_a_removal(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert run(tmp_path, "prerm", *words, has=("impermanence",)) == (["impermanence setup --off"], "")


@pytest.mark.parametrize("script", ["prerm", "postrm"])
@pytest.mark.parametrize("words", [("upgrade", "2"), ("failed-upgrade", "1"), ("deconfigure",), ("purge",)])
def test_anything_else_leaves_it_as_it_is(tmp_path: Path, script: str, words: tuple[str, ...]) -> None:
    has = ("impermanence", "update-initramfs", "dracut")
    assert run(tmp_path, script, *words, has=has) == ([], "")


@pytest.mark.parametrize("has", [(), ("impermanence",)], ids=["without-the-command", "failing"])
def test_a_removal_goes_on_and_says_what_is_left(tmp_path: Path, has: tuple[str, ...]) -> None:
    _, said = run(tmp_path, "prerm", "remove", has=has, fails=has)
    assert "before the next reboot: rm .impermanence/rollback.env at the top level" in said


INITRDS = {
    "update-initramfs": "update-initramfs -u -k {kernel}",
    "dracut": "dracut --quiet --force /boot/initrd.img-{kernel} {kernel}",
}


@pytest.mark.parametrize("tool", INITRDS)
def test_every_initrd_is_built_anew(tmp_path: Path, tool: str) -> None:
    called, said = run(tmp_path, "postrm", "remove", has=(tool,))
    assert called == [INITRDS[tool].format(kernel=kernel) for kernel in ("6.1.0-1", "6.1.0-2")]
    assert said == "", "and nothing is tried for a kernel that is half removed"


def test_an_initrd_that_cannot_be_built_anew(tmp_path: Path) -> None:
    called, said = run(tmp_path, "postrm", "remove", has=("dracut",), fails=("dracut",))
    assert len(called) == 2, "the first failure does not keep the second from being built"
    assert said == "impermanenced: these initrds still have the hook, which does nothing: 6.1.0-1 6.1.0-2\n"


def test_a_machine_that_builds_no_initrds(tmp_path: Path) -> None:
    assert run(tmp_path, "postrm", "remove", has=()) == ([], "")


@pytest.mark.parametrize("script", ["prerm", "postrm"])
def test_the_package_in_another_root(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """dpkg --root with the scripts of the machine outside: that one is not meant."""
    monkeypatch.setenv("DPKG_ROOT", "/elsewhere")
    assert run(tmp_path, script, "remove", has=("impermanence", "dracut")) == ([], "")
