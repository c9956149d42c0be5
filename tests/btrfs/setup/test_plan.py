"""The plan of a set-up, and every reason for which there is none; nothing is changed by asking."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import btrfsutil
import pytest

from impermanenced.setup.look import look
from impermanenced.setup.plan import plan
from tests.conftest import Filesystem, sh, swap_on

from .machine import DEBIAN, RELEASE, Stock, steps

ACCOUNTS = "impermanence-accounts.service"
REPOSITORY = Path(__file__).parents[3]
STEPS = ["state", "persist", "configuration", "stop", "keep", "start", "initrd", "blank", "record"]


def refusals(stock: Stock) -> list[str]:
    """What is in the way; nothing has changed."""
    before = stock.everything()
    document = stock.document("setup", "setup", "--yes", code=5)
    assert stock.everything() == before
    assert not document["possible"] and document["steps"] == []
    for one in document["refusals"]:
        assert one["hint"]
    said = stock.run("setup", "--yes")
    assert said.returncode == 5 and said.stdout.endswith("Nothing was changed.\n")
    return [one["what"] for one in document["refusals"]]


def test_a_dry_run_shows_all_and_changes_nothing(stock: Stock) -> None:
    before = stock.everything()
    document = stock.document("setup", "setup", "--dry-run")
    assert list(dict.fromkeys(steps(document))) == STEPS
    assert document["possible"] and not document["trial"]
    kept = {one["path"]: one["why"] for one in document["kept"]}
    assert list(kept) == sorted(kept)
    assert {"/etc/impermanence", "/home", "/root", "/var/log", "/var/lib/redis"} <= kept.keys()
    assert "/etc/ssh/ssh_host_ed25519_key" in kept
    # A package brought all that is in one, nothing is in the other, and the last is of the software.
    assert kept.keys().isdisjoint({"/var/lib/toys", "/var/lib/empty", "/var/lib/dpkg"})
    said = stock.run("setup", "--dry-run")
    assert said.returncode == 0 and "/var/lib/redis" in said.stdout
    assert stock.everything() == before


def test_nobody_is_asked_where_nobody_is(stock: Stock) -> None:
    before = stock.everything()
    said = stock.run("setup")
    assert said.returncode == 2
    assert said.stderr.splitlines()[-1] == "hint: --yes does it, --dry-run only shows it"
    assert stock.everything() == before


@pytest.mark.parametrize(("keys", "code"), [(b"\x03", 130), (b"n\n", 0), (b"\n", 0), (b"\x04", 0)])
def test_a_question_that_is_not_answered_with_yes(stock: Stock, keys: bytes, code: int) -> None:
    before = stock.everything()
    found, shown = stock.terminal([keys], "setup")
    assert found == code, shown
    assert code or "nothing was changed" in shown
    assert stock.everything() == before


def test_a_question_that_is_answered_with_yes(stock: Stock) -> None:
    code, shown = stock.terminal([b"y\n", b"n\n"], "setup", "--trial")
    assert code == 0 and "done: the next boot keeps the root, in a trial" in shown, shown
    assert stock.boot().result.action == "trial"
    assert stock.run("doctor", booted=True).returncode == 0


def test_a_service_that_names_its_state(stock: Stock) -> None:
    units = stock.root / "etc/systemd/system"
    (stock.root / "var/lib/mine").mkdir()
    (stock.root / "var/lib/mine/state").touch()
    (units / "mine.service").write_text("[Service]\nStateDirectory=mine\n")
    document = stock.document("setup", "setup", "--dry-run")
    (mine,) = [one for one in document["kept"] if one["path"] == "/var/lib/mine"]
    assert (mine["why"], mine["preset"]) == ("state of mine.service", None)


def test_presets_that_fit_are_declared_by_name(stock: Stock) -> None:
    """What they keep and comes later is declared then; what is there and stays in the blank is left out."""
    for path in ("etc/NetworkManager/system-connections", "var/lib/postgresql", "var/lib/alsa", "var/mail"):
        (stock.root / path).mkdir(parents=True)
    (stock.root / "var/lib/alsa/asound.state").touch()
    (stock.root / "var/lib/redis/dump.rdb").unlink()  # it is the service's all the same
    (stock.root / "var/lib/mine").mkdir()
    os.chown(stock.root / "var/lib/mine", 1, 1)
    (stock.root / "etc/ssl/private").mkdir(parents=True)  # one of the two places of its preset
    said = stock.run("setup", "--yes")
    assert said.returncode == 0, said.stderr
    declared = tomllib.loads((stock.root / "etc/impermanence/config.d/10-setup.toml").read_text())
    persist = declared["persist"]["/persist"]
    assert persist["preset"] == ["identity", "network", "logs", "alsa", "mail", "redis"]
    assert persist["without"] == ["/etc/machine-id"]
    assert persist["directories"] == ["/etc/impermanence", "/home", "/root", "/srv", "/var/lib/mine"]
    assert "files" not in persist
    assert stock.boot().result.action == "wiped"
    assert stock.run("doctor", booted=True).stdout == "nothing is wrong.\n"
    said = stock.shell("impermanence status --persist")
    assert "machine-id" not in said.stdout and "/var/lib/redis" in said.stdout


def test_a_place_of_a_preset_that_is_mounted_by_itself_is_no_part_of_it(stock: Stock) -> None:
    stock.filesystem.subvolume("log")
    with open(stock.root / "etc/fstab", "a", encoding="utf-8") as fstab:
        fstab.write(f"{stock.filesystem.device} /var/log btrfs subvol=log 0 0\n")
    said = stock.run("setup", "--yes", booted=True)
    assert said.returncode == 0, said.stderr
    content = (stock.root / "etc/impermanence/config.d/10-setup.toml").read_text()
    assert "/var/log" not in content and '"logs"' not in content
    assert stock.boot().result.action == "wiped"
    assert stock.run("doctor", booted=True).stdout == "nothing is wrong.\n"


# Accounts


def unit_is_enabled(stock: Stock) -> bool:
    return (stock.root / "etc/systemd/system/multi-user.target.wants" / ACCOUNTS).is_symlink()


@pytest.mark.parametrize(
    ("keys", "argv", "follow"),
    [
        ([b"y\n", b"y\n"], (), True),
        ([b"y\n", b"\n"], (), False),
        ([b"y\n"], ("--accounts", "follow"), True),
        ([b"y\n"], ("--accounts", "blank"), False),
        ([], ("--yes",), False),
        ([], ("--yes", "--accounts", "follow"), True),
    ],
    ids=str,
)
def test_accounts_are_decided_with_the_person(
    stock: Stock, keys: list[bytes], argv: tuple[str, ...], follow: bool
) -> None:
    stock.install(f"lib/systemd/system/{ACCOUNTS}", (REPOSITORY / "systemd" / ACCOUNTS).read_text())
    if keys:
        code, said = stock.terminal(keys, "setup", *argv)
    else:
        done = stock.run("setup", *argv)
        code, said = done.returncode, done.stdout
    assert code == 0, said
    assert ("follow into the blank, at each shutdown? [y/N]" in said) == (bool(keys) and not argv)
    if "--yes" in argv:  # what it takes is said
        words = "is brought into it at each shutdown" if follow else "is the old one again at the next boot"
        assert words in " ".join(said.split())
    assert unit_is_enabled(stock) == follow
    assert stock.boot().result.action == "wiped"
    assert unit_is_enabled(stock) == follow, "the blank has the choice"
    assert stock.shell("impermanence setup --remove --yes >&2").returncode == 0
    assert not unit_is_enabled(stock)


def test_a_question_that_is_left_by_ctrl_c(stock: Stock) -> None:
    before = stock.everything()
    code, shown = stock.terminal([b"y\n", b"\x03"], "setup")
    assert code == 130, shown
    assert stock.everything() == before


def test_a_home_elsewhere_and_a_link_for_one(stock: Stock) -> None:
    passwd = stock.root / "etc/passwd"
    passwd.write_text(
        passwd.read_text() + "bob:x:1001:1001::/data/bob:/bin/sh\neve:x:1002:1002::/data/eve:/bin/sh\nbad\n"
    )
    (stock.root / "data/bob").mkdir(parents=True)
    (stock.root / "data/eve").symlink_to("/etc")
    kept = [one["path"] for one in stock.document("setup", "setup", "--dry-run")["kept"]]
    assert "/data/bob" in kept and "/data/eve" not in kept


def test_the_files_of_a_foreign_root(filesystem: Filesystem) -> None:
    """The look needs no chroot: a rescue system can take it."""
    stock = Stock(filesystem, DEBIAN)
    facts = look(os.fsencode(stock.root))
    assert facts.files.distribution == "Debian GNU/Linux 12 (bookworm)"
    assert (facts.disk.subvolume, facts.disk.fstype) == (b"@rootfs", b"btrfs")
    assert [one.release for one in facts.files.kernels] == [RELEASE.encode()]


# What is in the way


def test_no_btrfs(tmp_path: Path) -> None:
    facts = look(os.fsencode(tmp_path))
    assert facts.disk.fstype != b"btrfs"


def test_ext4(stock: Stock, tmp_path: Path) -> None:
    image, where = tmp_path / "ext4.img", tmp_path / "ext4"
    with open(image, "wb") as stream:
        stream.truncate(64 << 20)
    sh("mkfs.ext4", "-q", image)
    where.mkdir()
    sh("mount", "-o", "loop", image, where)
    try:
        sh("cp", "-a", f"{stock.root}/.", where)
        stock.root = where
        said = stock.run("setup", "--yes")
        assert said.returncode == 5
        assert "/ is ext4, not BTRFS" in said.stdout and "btrfs-convert" in said.stdout
        assert stock.document("setup", "setup", code=5)["root"] is None
    finally:
        sh("umount", where)


def test_the_top_level_where_nobody_knows_the_boot_loader(stock: Stock) -> None:
    sh("cp", "-a", f"{stock.root}/.", stock.top)
    stock.root = stock.top
    (what,) = refusals(stock)
    assert "/ is the top level of its BTRFS" in what


def test_a_second_system(stock: Stock) -> None:
    other = stock.filesystem.subvolume("fedora")
    for name in ("etc", "usr"):
        (other / name).mkdir()
    (other / "etc/fstab").write_text("")
    (what,) = refusals(stock)
    assert "another system as well: fedora" in what


def test_a_snapshot_of_the_root_is_no_other_system(stock: Stock) -> None:
    stock.filesystem.snapshot("@rootfs", "before-upgrade", readonly=True)
    assert stock.document("setup", "setup", "--dry-run")["possible"]


def test_a_default_subvolume(stock: Stock) -> None:
    btrfsutil.set_default_subvolume(os.fspath(stock.root))
    stock.initrd.flags = "x"
    stock.words = f"root={stock.filesystem.device}"
    (what,) = refusals(stock)
    assert "booted as the default subvolume" in what
    # One that the kernel command line names all the same is no harm.
    stock.words = f"root={stock.filesystem.device} rootflags=subvol=@rootfs"
    assert stock.document("setup", "setup", "--dry-run")["possible"]


def test_a_kernel_command_line_with_a_number(stock: Stock) -> None:
    stock.words = f"root={stock.filesystem.device} rootflags=subvolid=256"
    (what,) = refusals(stock)
    assert "names the root by subvolid=" in what


def test_a_swap_file_in_the_root(stock: Stock) -> None:
    swap = stock.root / "swapfile"
    swap_on(swap)
    try:
        facts = look(os.fsencode(stock.root))  # /proc/swaps has the paths of this process
    finally:
        sh("swapoff", swap)
    assert facts.disk.swap_files == (os.fsencode(swap),)
    found = plan(facts, trial=False).refusals
    assert any("swapfile lies in the root" in one.what for one in found)


def test_nothing_that_builds_initrds(stock: Stock) -> None:
    (stock.programs / stock.layout.builder).unlink()
    (what,) = refusals(stock)
    assert "nothing here builds initrds" in what


def test_no_kernel_and_one_without_an_initrd(stock: Stock) -> None:
    (stock.root / "boot" / stock.layout.initrd).unlink()
    (what,) = refusals(stock)
    assert f"kernel {RELEASE} has no initrd" in what
    (stock.root / f"boot/vmlinuz-{RELEASE}").unlink()
    (what,) = refusals(stock)
    assert "there is no kernel in /boot" in what


def test_a_root_whose_name_the_initrd_does_not_take(stock: Stock) -> None:
    stock.rename_root("my (root)")
    (what,) = refusals(stock)
    assert "takes no subvolume my (root)" in what


def test_too_little_space(stock: Stock) -> None:
    free = os.statvfs(stock.root).f_bavail * os.statvfs(stock.root).f_frsize
    sh("fallocate", "-l", str(free - (100 << 20)), stock.top / "big")
    sh("sync", "-f", stock.top)
    (what,) = refusals(stock)
    assert "128.0 MiB have to be" in what


def test_a_persist_directory_that_is_used(stock: Stock) -> None:
    (stock.root / "persist/mine").mkdir(parents=True)
    (what,) = refusals(stock)
    assert "/persist has something in it" in what
    (stock.root / "persist/mine").rmdir()
    assert stock.document("setup", "setup", "--dry-run")["possible"]
    stock.filesystem.mount(stock.root / "persist", "subvolid=5")
    (what,) = refusals(stock)
    assert "something is mounted at /persist" in what


def test_a_persist_volume_that_is_there_already(stock: Stock) -> None:
    stock.filesystem.subvolume("mine")
    (stock.root / "persist").mkdir()
    with open(stock.root / "etc/fstab", "a", encoding="utf-8") as fstab:
        fstab.write(f"{stock.filesystem.device} /persist btrfs subvol=mine 0 0\n")
    document = stock.document("setup", "setup", "--dry-run")
    assert (document["possible"], document["persist"]) == (True, "mine")
    said = stock.run("setup", "--yes", booted=True)
    assert said.returncode == 0, said.stderr
    assert stock.boot().result.action == "wiped"
    assert stock.shell("cat /home/alice/letter").stdout == "dear reader\n"


def test_a_package_manager_that_runs(stock: Stock) -> None:
    (stock.root / "var/lib/dpkg/lock-frontend").touch()
    said = stock.shell(
        "exec 9>>/var/lib/dpkg/lock-frontend; python3 -c '"
        "import fcntl, subprocess, sys; fcntl.lockf(9, fcntl.LOCK_EX);"
        'sys.exit(subprocess.run(["impermanence", "setup", "--yes"]).returncode)\''
    )
    assert said.returncode == 1
    assert "a package manager is running" in said.stderr
    assert not (stock.top / ".impermanence").exists()


def test_somebody_who_writes_in_what_is_kept(stock: Stock) -> None:
    """What is written to the original after the copy would be lost, so nothing is mounted over it."""
    said = stock.shell("exec 9>>/var/log/syslog; impermanence setup --yes")
    assert said.returncode == 1
    assert said.stderr.startswith("impermanence: open for writing: /var/log/syslog (sh, pid ")
    assert stock.shell("findmnt -no TARGET --list | grep -c /var/log").stdout == "0\n"
    # It goes on when that has ended; who only works there is told of it.
    said = stock.shell("cd /root; impermanence setup --yes")
    assert said.returncode == 0
    assert "these still work in the directories from before: /root (sh, pid " in said.stderr
    assert stock.boot().result.action == "wiped"


@pytest.mark.parametrize(
    "argv",
    [
        ("--off", "--accounts", "blank"),
        ("--off", "--remove"),
        ("--off", "--yes"),
        ("--trial", "--remove"),
        ("--off", "--json"),
    ],
)
def test_words_that_exclude_each_other(stock: Stock, argv: tuple[str, ...]) -> None:
    said = stock.run("setup", *argv)
    assert (said.returncode, said.stdout) == (2, "")


def test_a_configuration_that_cannot_be_used(stock: Stock) -> None:
    (stock.root / "etc/impermanence").mkdir()
    (stock.root / "etc/impermanence/config.toml").write_text("[rolback]\n")
    before = stock.everything()
    said = stock.run("setup", "--yes")
    assert said.returncode == 1 and "rolback" in said.stderr
    assert stock.everything() == before


def test_nothing_to_take_back(stock: Stock) -> None:
    said = stock.run("setup", "--remove", "--yes")
    assert said.returncode == 5 and "nothing to take back" in said.stderr
