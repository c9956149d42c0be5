"""What is mounted inside a volume, and whether it outlives the next boot."""

from __future__ import annotations

import pytest

from impermanenced.kernel import mounts
from impermanenced.model import Declaration, Mounted, Volume
from impermanenced.volumes.mounted import changed, faults, mounted_inside

from ..conftest import calls

ROOT = Volume("root", b"/", b"/", b"@root", 256, None, None)
HOME = Volume("home", b"/home", b"/home", b"@home", 257, None, None)
BASE = """\
22 1 0:20 /@root / rw - btrfs /dev/vda2 rw
23 22 0:20 /persist /persist rw - btrfs /dev/vda2 rw
24 22 0:20 /@home /home rw - btrfs /dev/vda2 rw
"""


def inside(more: str = "", volume: Volume = ROOT) -> dict[bytes, Mounted]:
    table = list(mounts.parse((BASE + more).encode()))
    return {one.path: one for one in mounted_inside(volume, [ROOT, HOME], table)}


def test_what_comes_from_elsewhere_lasts() -> None:
    found = inside(
        "30 22 0:20 /persist/log /var/log rw - btrfs /dev/vda2 rw\n30 22 8:1 / /boot rw - vfat /dev/sda1 rw\n"
    )
    assert found[b"/persist"].lasts and found[b"/persist"].place == b"persist"
    assert found[b"/boot"].lasts and found[b"/boot"].place is None


def test_another_volume_is_rolled_back_itself() -> None:
    home = inside()[b"/home"]
    assert (home.volume, home.goes, home.lasts) == ("home", "", False)


@pytest.mark.parametrize("place", ["/@home/alice/data", "/@home/a/nested/subvolume"])
def test_what_is_mounted_from_a_volume_goes_with_it(place: str) -> None:
    found = inside(f"30 22 0:20 {place} /srv rw - btrfs /dev/vda2 rw\n")[b"/srv"]
    assert not found.lasts
    assert found.goes == "what is mounted there lies in volume home, which is rolled back"
    declared = Declaration(b"/srv", True, b"/persist", "here")
    assert list(faults([declared], {"root": [found]})) == [f"/srv: {found.goes}"]
    assert list(faults([], {"root": [found]})) == []


def test_the_volume_mounted_in_itself_is_no_other_place() -> None:
    assert b"/srv" not in inside("30 22 0:20 /@root/data /srv rw - btrfs /dev/vda2 rw\n")
    over = "30 22 0:20 /persist/x /srv rw - btrfs x rw\n31 30 0:20 /@root/x /srv rw - btrfs x rw\n"
    assert b"/srv" not in inside(over), "the last one at a place is what is seen"


def test_a_file_that_was_deleted_goes_with_its_mount() -> None:
    found = inside("30 22 0:20 /persist/etc/a\\040b//deleted /etc/a rw - btrfs /dev/vda2 rw\n")[b"/etc/a"]
    assert not found.lasts
    assert found.goes.startswith("what is mounted there was removed from its place, /persist/etc/a b, ")


def test_a_mount_that_another_covers_is_not_seen() -> None:
    """Whichever of them stands first in the table."""
    deep = "30 22 0:20 /persist/x /srv/data/deep rw - btrfs /dev/vda2 rw\n"
    below = "31 30 0:20 /persist/y /srv/data/deep/er rw - btrfs /dev/vda2 rw\n"
    over = "32 22 0:20 /persist/z /srv rw - btrfs /dev/vda2 rw\n"
    assert {b"/srv/data/deep", b"/srv/data/deep/er"} <= inside(deep + below).keys()
    for order in (deep + below + over, over + deep + below):
        assert {path for path in inside(order) if path.startswith(b"/srv")} == {b"/srv"}
    later = "33 32 0:20 /persist/x /srv/data rw - btrfs /dev/vda2 rw\n"
    assert b"/srv/data" in inside(over + later), "it hangs on the one that covers"


def test_an_automount_that_was_entered_is_what_is_mounted_over_it() -> None:
    auto = "30 22 0:40 / /mnt rw - autofs systemd-1 rw\n"
    assert inside(auto)[b"/mnt"].ephemeral
    assert inside(auto + "31 30 8:1 / /mnt rw - ext4 /dev/sda1 rw\n")[b"/mnt"].lasts


def test_a_table_that_is_no_tree() -> None:
    assert inside(
        "30 30 8:1 / /a rw - ext4 x rw\n31 32 8:1 / /b rw - ext4 x rw\n32 31 8:1 / /c rw - ext4 x rw\n"
    )


def test_what_changed_in_between() -> None:
    one = inside()[b"/persist"]
    tmpfs = one._replace(path=b"/run", ephemeral=True)
    within_it = one._replace(path=b"/run/user/1000")
    before = {"root": [one, tmpfs], "home": []}
    assert changed(before, before) == set()
    assert changed(before, {"root": [one, tmpfs, within_it], "home": []}) == set(), (
        "it hides nothing of a volume"
    )
    assert changed(before, {"root": [tmpfs], "home": [one]}) == {b"/persist"}
    another = one._replace(source=b"another")
    assert changed(before, {"root": [another, tmpfs], "home": []}) == {b"/persist"}


def test_work_grows_with_the_mounts_and_no_faster() -> None:
    def table(count: int) -> list[mounts.Mount]:
        lines = (f"{30 + n} 22 8:1 /{n} /srv/{n}/x rw - ext4 /dev/sda1 rw" for n in range(count))
        return list(mounts.parse((BASE + "\n".join(lines)).encode()))

    few, many = table(500), table(1000)
    assert calls(lambda: mounted_inside(ROOT, [ROOT], many)) < 2.1 * calls(
        lambda: mounted_inside(ROOT, [ROOT], few)
    )
