"""What somebody declares, on Debian without Nix: three boots on LVM, by the hook and systemd alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import kernel as kernels
import pytest

from full import guest
from full.guest import TOP, Guest

CONFIG = """
[persist."/persist"]
hideMounts = true
directories = [
  "/etc/nixos", "/var/log", "/var/lib/bluetooth", "/var/lib/nixos", "/var/lib/systemd/coredump",
  "/etc/NetworkManager/system-connections", "/var/lib/private/app",
  {directory = "/var/lib/colord", user = "colord", group = "colord", mode = "u=rwx,g=rx,o="},
]
files = [
  "/etc/machine-id",
  {file = "/etc/ssh/ssh_host_ed25519_key", inInitrd = true},
  {file = "/var/keys/secret_file", parentDirectory = {mode = "u=rwx,g=,o="}},
]
[persist."/persist".users.talyz]
directories = [
  "Downloads", "Music", "Pictures", "Documents", "Videos", "VirtualBox VMs",
  {directory = ".gnupg", mode = "0700"}, {directory = ".ssh", mode = "0700"},
  {directory = ".nixops", mode = "0700"}, {directory = ".local/share/keyrings", mode = "0700"},
  ".local/share/direnv", {directory = ".local/share/Steam", method = "symlink"},
]
files = [".screenrc"]
"""
# As an image that was never booted: users, no identity, no mount but those of the disks.
PREPARE = rf"""
set -e
groupadd --system colord && useradd --system --gid colord --no-create-home colord
useradd --create-home --uid 1001 talyz && chmod 0751 /home/talyz
sed -i '/ none bind/d' /etc/fstab
systemctl mask systemd-firstboot.service
install -d /etc/ssh && (umask 077; echo 'a key' > /etc/ssh/ssh_host_ed25519_key)
install -d /persist/etc && echo uninitialized > /persist/etc/machine-id
cat > /etc/impermanence/config.toml <<'END'
{CONFIG}
END
mkdir -p {TOP} && mount -o subvolid=5 $(findmnt -no SOURCE --nofsroot /) {TOP}
btrfs property set {TOP}/root-blank ro false && btrfs subvolume delete {TOP}/root-blank
btrfs subvolume snapshot / {TOP}/root-blank
rm -rf {TOP}/root-blank/etc/ssh {TOP}/root-blank/home/talyz/.[a-z]* && : > {TOP}/root-blank/etc/machine-id
chmod 0700 {TOP}/root-blank/var/lib/private
btrfs property set {TOP}/root-blank ro true
umount {TOP}
"""
DIRECTORIES = {
    "/etc/nixos": "755 0:0", "/var/log": "755 0:0", "/var/lib/bluetooth": "755 0:0",
    "/var/lib/nixos": "755 0:0",
    "/var/lib/systemd/coredump": "755 0:0", "/etc/NetworkManager/system-connections": "755 0:0",
    "/var/lib/private/app": "755 0:0", "/var/lib/colord": "750 C:C",
    **{f"/home/talyz/{name}": "700 1001:1001" for name in (
        "Downloads", "Music", "Pictures", "Documents", "Videos", "VirtualBox VMs", ".gnupg", ".ssh",
        ".nixops", ".local/share/keyrings", ".local/share/direnv", ".local/share/Steam",
    )},
}  # fmt: skip
PARENTS = {
    "/": "755 0:0", "/home": "755 0:0", "/home/talyz": "751 1001:1001", "/home/talyz/.local": "700 1001:1001",
    "/home/talyz/.local/share": "700 1001:1001", "/var/lib/private": "700 0:0", "/var/keys": "700 0:0",
}  # fmt: skip
FILES = {
    "/etc/ssh/ssh_host_ed25519_key": "600 0:0", "/var/keys/secret_file": "644 0:0",
    "/home/talyz/.screenrc": "600 1001:1001",
}  # fmt: skip


@pytest.fixture
def lvm(workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[Guest]:
    found = Guest(workspace, kernel, guest.image(kernel, deb, initrd="dracut", layout="lvm-on-luks"))
    with found.machine:
        yield found


def test_three_boots(lvm: Guest, figures: dict[str, object]) -> None:
    lvm.boot()
    assert "lvm" in lvm.run("lsblk -rno TYPE $(findmnt -nvo SOURCE /)").output
    lvm.run(PREPARE)
    lvm.run("impermanence setup")
    applied = json.loads(lvm.run("impermanence apply --json").output)
    assert [one for one in applied["left"] if one["failed"]] == []
    assert applied["handed_over"] is True
    lvm.run(write("before the first wipe"))

    lvm.reboot()
    identity = lvm.run("cat /etc/machine-id").output
    assert_kept(lvm, "before the first wipe", first=True)
    figures["added to the boot"] = added(lvm)
    lvm.run(write("in the first boot"))
    lvm.run("touch /crud /home/talyz/crud")

    for _ in range(2):
        lvm.reboot()
        assert lvm.run("cat /etc/machine-id").output == identity
        assert_kept(lvm, "in the first boot", first=False)
        assert lvm.run("test -e /crud || test -e /home/talyz/crud", check=False).status == 1


def write(words: str) -> str:
    """A line in each place that is declared, by whoever owns it."""
    lines = [f"echo '{words}' > '{path}/note'" for path in DIRECTORIES]
    lines += [f"echo '{words}' > {path}" for path in FILES]
    return "set -e\n" + "\n".join(lines)


def assert_kept(on: Guest, words: str, *, first: bool) -> None:
    assert on.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    colord = on.run("id -u colord; id -g colord").output.split()
    wanted = {**PARENTS, **DIRECTORIES, **FILES}
    paths = " ".join(f"'{path}'" for path in wanted)
    said = on.run(f"stat -L -c '%n|%a %u:%g' {paths}").output.splitlines()
    found = dict(line.split("|") for line in said)
    assert found == {path: how.replace("C:C", ":".join(colord)) for path, how in wanted.items()}
    for path in [*(f"{path}/note" for path in DIRECTORIES), *FILES]:
        assert on.run(f"cat '{path}'").output == f"{words}\n", path
    # Mounts and links come from the persist volume; nothing dangles.
    roots = on.run("findmnt -rno TARGET,FSROOT | grep /persist/").output
    assert len(roots.splitlines()) == 23, roots
    assert on.run("readlink /home/talyz/.local/share/Steam").output.startswith("/persist/home/talyz/")
    assert on.run("find /etc/ssh /home /var/keys -xdev -xtype l").output == ""
    assert on.run("impermanence status --persist | head -1").output == "24 declarations: 24 active.\n"
    # The id is the one that PID 1 has, and only the first boot is a first one.
    assert on.run("cat /persist/etc/machine-id").output == on.run("cat /etc/machine-id").output
    state = on.run("systemctl is-active first-boot-complete.target", check=False).output.strip()
    assert state == ("active" if first else "inactive")
    assert on.run("journalctl -b -o cat --grep 'is not there before the system starts' || true").output == ""
    assert on.run("systemctl --failed --no-legend").output == ""


def added(on: Guest) -> str:
    """What our units took in this boot, and which programs they run: none of them is an interpreter."""
    programs = on.run(
        "systemctl show --property=ExecStart impermanence-places.service | sed 's/.*path=//;s/ .*//'; "
        "systemctl cat impermanence.target impermanence-places.service 'var-log.mount' | grep -c python",
        check=False,
    ).output.split()
    *paths, pythons = programs
    assert pythons == "0"
    for path in paths:
        assert on.run(f"head -c 4 $(readlink -f $(command -v {path})) | tail -c 3").output == "ELF", path
    times = on.run(
        "systemctl show --property=ExecMainStartTimestampMonotonic --value impermanence-places.service; "
        "ls /run/systemd/system | grep '[.]mount$' | while read -r unit; do "
        'systemctl show --property=ActiveEnterTimestampMonotonic --value "$unit"; done; '
        "systemctl show --property=ActiveEnterTimestampMonotonic --value local-fs.target"
    ).output.split()
    start, *entered, local = map(int, times)
    ms = (max(entered) - start) // 1000
    return f"{ms} ms for {len(entered)} units; local-fs.target {(local - start) // 1000} ms after they began"
