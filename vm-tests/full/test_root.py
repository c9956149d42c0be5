"""What boots decides, where the initrd's systemd mounts the root by a unit or an fstab of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from micro.initramfs import extended

from full.guest import TOP, Guest

UUID = "8d4f5a9c-6d3e-4c57-9a52-1f1de5e1c0de"
UNIT = f"""[Unit]
Before=initrd-root-fs.target
[Mount]
What=/dev/disk/by-uuid/{UUID}
Where=/sysroot
Type=btrfs
Options=rw,subvol={{subvolume}}
"""
FSTAB = f"UUID={UUID} /sysroot btrfs rw,subvol={{subvolume}} 0 0\n"
RESULT = "/run/impermanence/rollback.env"


def extend(guest: Guest, initrd: Path, workspace: Path, name: str, content: str) -> None:
    """The next boots have an initrd with this file in a second archive behind the first."""
    more = workspace / f"more-{len(list(workspace.glob('more-*')))}"
    file = more / name
    file.parent.mkdir(parents=True)
    file.write_text(content)
    guest.machine.initrd = extended(initrd, more, more.with_suffix(".initrd"))


@pytest.mark.parametrize("by", ["unit", "fstab"])
def test_initrd_decides(product: Guest, workspace: Path, by: str) -> None:
    """A volume is rolled back, and beside another root none is touched.

    A unit counts, whatever the words say.  Where they name no root, systemd makes a unit of an fstab.
    """
    initrd = product.machine.initrd
    assert initrd is not None
    name, content = {"unit": ("etc/systemd/system/sysroot.mount", UNIT), "fstab": ("etc/fstab", FSTAB)}[by]
    product.boot()
    product.run("impermanence setup")
    product.open_top()
    product.run(
        f"touch /of-the-root && btrfs subvolume snapshot / {TOP}/other && touch {TOP}/other/of-the-other"
    )

    extend(product, initrd, workspace, name, content.format(subvolume="other"))
    if by == "fstab":
        product.words = "rw"
    product.reboot()
    assert product.fields(RESULT)["ACTION"] == "other"
    assert product.fields(RESULT)["REASON_CODE"] == "other-subvolume"
    said = product.run("findmnt --noheadings --output FSROOT / && cat /proc/cmdline").output
    assert said.startswith("/other\n") and (" root=" in said) == (by == "unit"), said
    told = product.run("cat /run/motd.d/impermanence; impermanence doctor", check=False)
    assert told.status == 1 and told.output.count("another root") >= 2, told.output
    product.open_top()
    product.run(f"test -e /of-the-other && test -e {TOP}/root/of-the-root")
    assert product.run(f"ls {TOP}/.impermanence/boots").output == ""

    extend(product, initrd, workspace, name, content.format(subvolume="root"))
    product.reboot("rootflags=subvol=other" if by == "unit" else "")
    assert product.fields(RESULT)["ACTION"] == "wiped"
    product.run("test ! -e /of-the-other && test ! -e /of-the-root")
    # Only the daemon can tell this user, so the sandbox of its unit lets the program look.  It goes by the
    # words of this boot: a unit in the initrd is not seen any more.
    # It may come to the bus after the boot, and the command waits for it.
    forecast = product.json("impermanence status --json", user="alice")["next_boot"]
    assert forecast["action"] == {"unit": "other", "fstab": "wiped"}[by], forecast
