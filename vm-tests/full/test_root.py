"""What boots decides, where the initrd's systemd mounts the root by a unit of its own."""

from __future__ import annotations

from pathlib import Path

from micro.initramfs import extended

from full.guest import TOP, Guest

UNIT = """[Unit]
Before=initrd-root-fs.target
[Mount]
What=/dev/disk/by-uuid/8d4f5a9c-6d3e-4c57-9a52-1f1de5e1c0de
Where=/sysroot
Type=btrfs
Options=rw,subvol={subvolume}
"""
RESULT = "/run/impermanence/rollback.env"


def mount_by_unit(guest: Guest, initrd: Path, workspace: Path, subvolume: str) -> None:
    """The next boots have an initrd with that unit in a second archive behind the first."""
    more = workspace / f"with-{subvolume}"
    unit = more / "etc/systemd/system/sysroot.mount"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT.format(subvolume=subvolume))
    guest.machine.initrd = extended(initrd, more, workspace / f"initrd-{subvolume}")


def test_unit_of_the_initrd_decides(product: Guest, workspace: Path) -> None:
    """It counts, whatever the words say: a volume is rolled back, and beside another root none is touched."""
    initrd = product.machine.initrd
    assert initrd is not None
    product.boot()
    product.run("impermanence setup")
    product.open_top()
    product.run(
        f"touch /of-the-root && btrfs subvolume snapshot / {TOP}/other && touch {TOP}/other/of-the-other"
    )

    mount_by_unit(product, initrd, workspace, "other")
    product.reboot()
    assert product.fields(RESULT)["ACTION"] == "other"
    assert product.fields(RESULT)["REASON_CODE"] == "other-subvolume"
    product.open_top()
    product.run(f"test -e /of-the-other && test -e {TOP}/root/of-the-root")
    assert product.run(f"ls {TOP}/.impermanence/boots").output == ""

    mount_by_unit(product, initrd, workspace, "root")
    product.reboot("rootflags=subvol=other")
    assert product.fields(RESULT)["ACTION"] == "wiped"
    product.run("test ! -e /of-the-other && test ! -e /of-the-root")
