"""What is mounted inside a volume's tree from elsewhere, and whether it is still there after the next boot.

Hard facts
    mountinfo has a mount that another one covers: one on a directory above it, which hangs on the same mount.
    A BTRFS has one device number there, whichever of its subvolumes is mounted, and `root` is the path from
    the top level.
    Where the file or directory that is mounted was removed from its place, or another one was renamed over
    it, `root` ends in "//deleted".  The mount goes on showing it, and it goes with the mount.
    systemd's automount is an autofs at its place.  What is mounted there when it is first entered lies over
    it, and looking below it would have it mounted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..kernel.mounts import Mount
from ..model import Declaration, Mounted, Volume
from ..paths import ancestors, within
from ..text import to_text

AUTOMOUNT = "autofs"
DELETED = b"//deleted"

# Filesystems whose content does not outlive a reboot.
EPHEMERAL = {
    b"autofs", b"binfmt_misc", b"bpf", b"cgroup", b"cgroup2", b"configfs", b"debugfs", b"devpts",
    b"devtmpfs", b"efivarfs", b"fusectl", b"hugetlbfs", b"mqueue", b"nsfs", b"proc", b"pstore",
    b"ramfs", b"rpc_pipefs", b"securityfs", b"selinuxfs", b"sysfs", b"tmpfs", b"tracefs",
}  # fmt: skip


def mounted_inside(volume: Volume, volumes: Sequence[Volume], table: Sequence[Mount]) -> list[Mounted]:
    """Return what is mounted in a volume's tree from elsewhere, without bind mounts of the volume itself.

    `volumes` are all that are rolled back: what is mounted from one of them does not last.
    """
    above = volume.mountpoint.rstrip(b"/") + b"/"
    device = _device_of(volume, table)
    found: dict[bytes, Mounted] = {}
    for mount in _shown(table):
        if not mount.path.startswith(above) or mount.path == volume.mountpoint:
            continue
        here = mount.device == device
        place = mount.root.strip(b"/") if here else None
        if place is not None and within(place, volume.subvolume):
            found.pop(_inside(volume, mount.path), None)
            continue
        path = _inside(volume, mount.path)
        found[path] = Mounted(
            path,
            to_text(mount.fstype),
            mount.source if mount.root == b"/" else mount.source + b"[" + mount.root + b"]",
            mount.fstype in EPHEMERAL,
            *_end(mount, place, volumes),
            place,
            (mount.device, mount.root),
        )
    return list(found.values())


def _inside(volume: Volume, path: bytes) -> bytes:
    """Return the path in the system that the volume belongs to."""
    return volume.path.rstrip(b"/") + path[len(volume.mountpoint.rstrip(b"/")) :]


def _device_of(volume: Volume, table: Sequence[Mount]) -> bytes:
    return next((mount.device for mount in reversed(table) if mount.path == volume.mountpoint), b"")


def _shown(table: Sequence[Mount]) -> list[Mount]:
    """Return the mounts that no other one covers."""
    by_id = {mount.id: mount for mount in table}
    beside: dict[int, set[bytes]] = {}
    for mount in table:
        beside.setdefault(mount.parent, set()).add(mount.path)
    covered: dict[int, bool] = {}
    for mount in table:
        line: list[Mount] = []  # from this mount towards the root; a table that is no tree ends it
        at: Mount | None = mount
        while at is not None and at.id not in covered and at not in line:
            line.append(at)
            at = by_id.get(at.parent)
        for one in reversed(line):
            others = beside[one.parent]
            covered[one.id] = covered.get(one.parent, False) or any(
                above in others for above in ancestors(one.path)
            )
    return [mount for mount in table if not covered[mount.id]]


def _end(mount: Mount, place: bytes | None, volumes: Sequence[Volume]) -> tuple[str, str]:
    """Return why the content of a mount goes with the next boot, in words, and the volume that it is."""
    if mount.root.endswith(DELETED):
        was = to_text(mount.root.removesuffix(DELETED))
        return f"what is mounted there was removed from its place, {was}, and goes with the mount", ""
    for volume in volumes if place is not None else ():
        if place == volume.subvolume:
            return "", volume.name
        if place is not None and within(place, volume.subvolume):
            return f"what is mounted there lies in volume {volume.name}, which is rolled back", ""
    return "", ""


def changed(before: Mapping[str, Sequence[Mounted]], after: Mapping[str, Sequence[Mounted]]) -> set[bytes]:
    """Return the places where something was mounted or unmounted in between, by volume.

    What is mounted within a tmpfs or the like hides nothing of a volume.
    """
    found: set[bytes] = set()
    for name, old in before.items():
        one, two = _over(old), _over(after[name])
        found |= {path for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
    return found


def _over(mounted: Sequence[Mounted]) -> dict[bytes, Mounted]:
    passing = {one.path for one in mounted if one.ephemeral}
    return {one.path: one for one in mounted if passing.isdisjoint(ancestors(one.path))}


def faults(declarations: Sequence[Declaration], mounted: Mapping[str, Sequence[Mounted]]) -> Iterator[str]:
    """Yield in words why what is mounted at a declared path does not last."""
    declared = {declaration.path for declaration in declarations}
    for found in mounted.values():
        for one in found:
            if one.goes and one.path in declared:
                yield f"{to_text(one.path)}: {one.goes}"
