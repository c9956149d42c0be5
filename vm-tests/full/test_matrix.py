"""The rollback through real initrds, on the ways in which a root lies on disks.

test_story.py has dracut with systemd on a plain disk; each other initrd and each other layout is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kernel as kernels
import pytest

from full import guest
from full.guest import TOP, Guest

FIRST_LIFE = f"{TOP}/old_roots/0-00000000-0000-0000-0000-000000000000"
# Beside what a program wrote, all that the life has in these: names, owners, modes, sizes, times.
# What is mounted in it is left out.
LISTING = (
    "{ find usr etc home crud \\( -path 'etc/early*' -o -path etc/late \\) -prune"
    " -o -printf '%p|%y|%s|%m|%U|%T@|%l\\n'; "
    "find crud -type f -exec sha256sum {} +; } | sort"
)
CRUD = """
mkdir /crud && cd /crud
dd if=/dev/urandom of=large bs=1M count=3 status=none
echo short > 'a name with spaces' && ln -s large link
mkfifo pipe && chown alice pipe && chmod 600 pipe
btrfs subvolume create nested && echo inside > nested/file
echo changed >> /etc/hostname
"""
# What the initrd mounts, and beside it what systemd does; the machine gets another id than its blank has.
EARLY, LATE = ("/etc/early", "/etc/early.key", "/etc/machine-id"), "/etc/late"
DECLARE = """
set -e
cat > /etc/impermanence/config.d/early.toml <<'END'
[persist."/persist"]
directories = [{path = "/etc/early", phase = "initrd"}, "/etc/late"]
files = ["/etc/machine-id", {path = "/etc/early.key", phase = "initrd"}]
END
mkdir -p /etc/early /etc/late /persist/etc/early /persist/etc/late
(umask 077; : > /etc/early.key; echo secret > /persist/etc/early.key)
echo here | tee /persist/etc/early/note > /persist/etc/late/note
systemd-id128 new > /persist/etc/machine-id
"""
# What an initrd shows until a person can type commands; Enter goes from one to the next.
SHELL = {
    "dracut": ("Press Enter for maintenance", "# "),
    "dracut-without-systemd": ("dracut:/# ",),
    "initramfs-tools": ("(initramfs) ",),
}
# Devices below the root, as lsblk says it.
BELOW = {"raid1": "disk", "lvm-on-luks": "lvm crypt disk"}


@pytest.fixture
def on(request: pytest.FixtureRequest, workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[Guest]:
    """A guest that is off, with this initrd and layout, the package installed, not set up."""
    initrd, layout = request.param
    found = Guest(workspace, kernel, guest.image(kernel, deb, initrd=initrd, layout=layout))
    with found.machine:
        yield found


@pytest.mark.parametrize(
    ("on", "initrd", "layout"),
    [
        pytest.param((initrd, layout), initrd, layout, id=f"{initrd}-{layout}")
        for initrd, layout in (
            ("dracut", "lvm-on-luks"),
            ("dracut-without-systemd", "raid1"),
            ("initramfs-tools", "lvm-on-luks"),
        )
    ],
    indirect=["on"],
)
def test_machine(on: Guest, initrd: str, layout: str) -> None:
    on.boot()
    assert_is(on, initrd, layout)
    on.run("impermanence setup")
    on.run(CRUD)
    on.run(DECLARE)
    on.run("echo kept > /var/lib/kept/precious")
    wipes(on)
    assert_early(on)
    keeps(on)
    stops(on, initrd)


def assert_is(on: Guest, initrd: str, layout: str) -> None:
    """The machine is what its name says."""
    device = "$(findmnt --noheadings --nofsroot --output SOURCE /)"
    below = on.run(f"lsblk --inverse --noheadings --list --output TYPE {device}").output.split()
    assert " ".join(below) == BELOW[layout]
    if layout == "raid1":
        for kind in ("Data", "Metadata", "System"):
            on.run(f"btrfs filesystem df / | grep '^{kind}, RAID1:'")
        on.run("btrfs filesystem show / | grep 'Total devices 2 '")
    # What systemd alone says of an initrd in which it ran.
    shown = on.run("systemctl show --value --property InitRDTimestampMonotonic").output.strip()
    assert (shown != "0") == (initrd == "dracut")
    assert on.run("test -d /run/initramfs", check=False).status == 0


def wipes(on: Guest) -> None:
    before = on.root_uuid()
    # It also installs units in the life that ends.
    on.run("impermanence apply", timeout=600)
    on.run(f"cd / && {LISTING} > /persist/life")
    on.reboot()
    on.open_top()

    assert on.root_uuid() != before
    on.run('test ! -e /crud && test "$(cat /etc/hostname)" = machine')
    on.run('test "$(cat /var/lib/kept/precious)" = kept')
    on.run(f"cd {FIRST_LIFE} && {LISTING} | diff /persist/life -")
    result = on.fields("/run/impermanence/rollback.env")
    assert result["ACTION"] == "wiped"
    assert result["OLD_UUID"] == before
    assert f"{TOP}/{result['OLD']}" == FIRST_LIFE
    assert on.fields(f"{TOP}/.impermanence/boots/1.env")["BOOT_ID"] == on.boot_id()
    assert_journal(on, "boot 1: wiped")
    assert on.run("systemctl --failed --no-legend").output == ""


def assert_early(on: Guest) -> None:
    """What is declared for the initrd was there before PID 1 was, and the rest was mounted by it."""
    for path in (*EARLY, LATE):
        assert on.run(f"findmnt -no FSROOT {path}").output == f"/persist{path}\n"
    assert on.run("cat /etc/early/note /etc/late/note /etc/early.key").output == "here\nhere\nsecret\n"
    assert on.run("stat -c %a:%U /etc/early.key").output == "600:root\n"
    units = "UNIT=etc-early.mount UNIT=etc-early.key.mount UNIT=etc-late.mount"
    mounted = on.run(f"journalctl -b -o cat _PID=1 {units}").output
    assert LATE in mounted and EARLY[0] not in mounted, mounted
    journal = on.run("journalctl -b -o export | sed -n 's/^_MACHINE_ID=//p' | head -1").output
    assert journal == on.run("cat /persist/etc/machine-id").output


def keeps(on: Guest) -> None:
    on.run("echo stays > /stays")
    before = on.root_uuid()
    on.run("impermanence next keep")
    on.reboot()
    on.open_top()

    assert on.root_uuid() == before
    on.run("test -f /stays")
    assert on.fields("/run/impermanence/rollback.env")["ACTION"] == "kept"
    assert_journal(on, "kept: ")
    on.run(f"test ! -e {TOP}/.impermanence/next")


def stops(on: Guest, initrd: str) -> None:
    """With on-failure = "stop" a person gets a shell and nothing is mounted; leaving it boots as it was."""
    before = on.root_uuid()
    on.run("printf '[rollback]\\non-failure = \"stop\"\\n' > /etc/impermanence/config.d/stop.toml")
    on.run(f"impermanence setup && echo nonsense > {TOP}/.impermanence/next")
    on.shutdown()
    # With panic= initramfs-tools gives nobody a shell.
    on.power_on("panic=")
    for prompt in SHELL[initrd]:
        on.machine.wait_console(prompt, 300)
        on.machine.type("")
    said = ask(on, "cat /proc/mounts /run/impermanence/rollback.env")
    assert "ACTION=refused" in said
    assert " btrfs " not in said
    if initrd == "dracut":
        said = ask(on, "systemctl is-active impermanence-rollback.service sysroot.mount | tr '\\n' ' '")
        assert "failed inactive " in said
    on.machine.type("exit")
    on.wait_ready()
    on.open_top()

    assert on.root_uuid() == before
    on.run("test -f /stays")
    assert on.fields("/run/impermanence/rollback.env")["ACTION"] == "refused"
    assert_journal(on, "refused: next: ", "stopping here")

    if initrd == "dracut":
        on.reboot("impermanence=off")
        assert on.root_uuid() == before
        assert on.fields("/run/impermanence/rollback.env")["ACTION"] == "off"


def ask(on: Guest, command: str) -> str:
    """What a command says in the shell on the console."""
    # The console shows what is typed as well: it must not look like the answer's end.
    on.machine.type(f"{command}; echo th'at is all'")
    return on.machine.wait_console("that is all", 60)


def assert_journal(on: Guest, *words: str) -> None:
    said = on.run("journalctl --boot --identifier impermanence --output cat").output
    assert all(word in said for word in words), said
