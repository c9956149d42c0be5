"""Good configurations become values."""

import os
from pathlib import Path

import pytest

from impermanenced.config import symlinks
from impermanenced.config.load import (
    ArchiveSettings,
    Config,
    GateSettings,
    LevelSettings,
    RollbackSettings,
    VolumeSettings,
    load,
)
from impermanenced.config.placement import Ownership
from impermanenced.config.values import Space
from impermanenced.errors import ConfigError
from impermanenced.model import Declaration

from .reading import ARTICLE, parsed

# What is taken


def test_an_empty_file_is_a_valid_configuration(tmp_path: Path) -> None:
    file = os.fsencode(tmp_path / "config.toml")
    assert parsed(tmp_path, "") == Config(
        path=file,
        files=(file,),
        volumes=(VolumeSettings(),),
        archive=ArchiveSettings(),
        rollback=RollbackSettings(),
        declarations=(),
        persist=(),
        ignore=(),
    )


def test_a_missing_default_file_is_the_empty_configuration(tmp_path: Path) -> None:
    found = load(None, default=os.fsencode(tmp_path / "config.toml"))
    assert found.files == ()
    assert found.volumes == (VolumeSettings(),)


def test_every_setting_of_the_contract(tmp_path: Path) -> None:
    found = parsed(
        tmp_path,
        """
        [[volume]]
        name = "root"
        mountpoint = "/mnt/broken/"
        path = "/"
        subvolume = "/@/root"
        blank = "@/root-blank"
        [[volume]]
        mountpoint = "/mnt/broken/home"
        path = "/home"
        subvolume = "@home"
        blank = ""
        [archive]
        directory = "@old-roots"
        keep-min = 5
        keep-days = 0
        [rollback]
        wipe = false
        on-failure = "stop"
        on-missing-blank = "create-empty"
        require = ["/etc/fstab", "//nix//var/"]
        [watch]
        ignore = ["/tmp/", "*.swp"]
        """,
    )
    assert found.volumes == (
        VolumeSettings("root", b"/mnt/broken", b"/", b"@/root", b"@/root-blank"),
        VolumeSettings(None, b"/mnt/broken/home", b"/home", b"@home", b""),
    )
    assert found.archive == ArchiveSettings(b"@old-roots", 5, 0)
    assert found.rollback == RollbackSettings(False, "stop", "create-empty", (b"/etc/fstab", b"/nix/var"))
    assert found.ignore == ("/tmp/", "*.swp")


def test_the_articles_declarations_one_to_one(tmp_path: Path) -> None:
    found = parsed(tmp_path, ARTICLE)
    by_path = {placement.declaration.path: placement for placement in found.placements}
    assert len(by_path) == 22
    assert found.persist == (b"/persist",)
    assert found.declarations == tuple(placement.declaration for placement in found.placements)
    assert all(placement.hide for placement in found.placements)
    assert by_path[b"/var/lib/colord"].own == Ownership("colord", "colord", "u=rwx,g=rx,o=")
    assert by_path[b"/var/keys/secret_file"].parent == Ownership(None, None, "u=rwx,g=,o=")
    assert not by_path[b"/etc/machine-id"].declaration.directory
    assert by_path[b"/home/talyz/VirtualBox VMs"].own == Ownership("talyz")
    assert by_path[b"/home/talyz/.ssh"].own == Ownership("talyz", None, "0700")
    assert by_path[b"/home/talyz/.local/share/Steam"].method == "symlink"
    assert by_path[b"/home/talyz/.screenrc"].declaration == Declaration(
        b"/home/talyz/.screenrc",
        False,
        b"/persist",
        f'{tmp_path}/config.toml, persist."/persist".users.talyz.files[0]',
    )


def test_homes(tmp_path: Path) -> None:
    persist = """
    [persist."/p".users]
    root.files = [".a"]
    nobody.files = [".a"]
    nosuchuser.files = [".a"]
    bob = {home = "/srv/bob/", files = [".a"]}
    """
    here = [declaration.path for declaration in parsed(tmp_path, persist).declarations]
    assert here == [b"/root/.a", b"/nonexistent/.a", b"/home/nosuchuser/.a", b"/srv/bob/.a"]
    foreign = '[[volume]]\nmountpoint = "/mnt"\npath = "/"\n' + persist
    there = [declaration.path for declaration in parsed(tmp_path, foreign).declarations]
    assert there == [b"/root/.a", b"/home/nobody/.a", b"/home/nosuchuser/.a", b"/srv/bob/.a"]


def test_homes_of_another_system_are_those_that_it_says(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    text = f'[[volume]]\nmountpoint = "{tmp_path}"\npath = "/"\n'
    text += '[persist."/p".users]\nbob.files = [".a"]\nnobody.files = [".a"]\neve.files = [".a"]\n'
    passwd = tmp_path / "etc/passwd"
    passwd.write_text("bob:x:1001:1001::/srv/people//bob/:/bin/sh\neve:x:5:5::relative:/bin/sh\n\nbob:x\n")
    there = [declaration.path for declaration in parsed(tmp_path, text).declarations]
    assert there == [b"/srv/people/bob/.a", b"/home/nobody/.a", b"/home/eve/.a"]
    passwd.unlink()
    passwd.symlink_to("/etc/passwd")  # which is the running system's
    there = [declaration.path for declaration in parsed(tmp_path, text).declarations]
    assert there == [b"/home/bob/.a", b"/home/nobody/.a", b"/home/eve/.a"]


def test_drop_ins_add_up_and_the_later_scalar_wins(tmp_path: Path) -> None:
    default = tmp_path / "config.toml"
    default.write_text(
        '[archive]\nkeep-min = 1\nkeep-days = 7\n[watch]\nignore = ["a"]\n[rollback]\nrequire = ["/a"]\n'
        '[[volume]]\nsubvolume = "root"\n[persist."/p"]\nfiles = ["/a"]\n'
    )
    (tmp_path / "config.d").mkdir()
    (tmp_path / "config.d/20.toml").write_text(
        '[archive]\nkeep-min = 3\n[persist."/q"]\nfiles = ["/c"]\n[rollback]\nwipe = false\n'
        '[gate]\nblock = ["document", "secret"]\ninhibit = true\n[watch]\nwarning-bytes = "10%"'
    )
    (tmp_path / "config.d/10.toml").write_text(
        '[archive]\nkeep-min = 2\n[watch]\nignore = ["b"]\n[rollback]\nrequire = ["/b", "/a"]\n'
        '[[volume]]\nsubvolume = "home"\nmountpoint = "/home"\n[persist."/p"]\nfiles = ["/a", "/b"]\n'
        '[gate]\nblock = ["secret"]\nwarn = []\nblock-bytes = "1GiB"\n'
    )
    (tmp_path / "config.d/30.toml~").write_text("not TOML")
    (tmp_path / "config.d/.40.toml").write_text("not TOML")
    found = load(None, default=os.fsencode(default))
    assert [os.path.basename(file) for file in found.files] == [b"config.toml", b"10.toml", b"20.toml"]
    assert found.archive == ArchiveSettings(b"old_roots", 3, 7)
    assert found.rollback == RollbackSettings(wipe=False, require=(b"/a", b"/b"))
    assert found.ignore == ("a", "b")
    assert found.gate == GateSettings((), ("secret", "document"), block_bytes=Space(1 << 30), inhibit=True)
    assert found.levels == LevelSettings(warning=Space(10, percent=True))
    assert [volume.subvolume for volume in found.volumes] == [b"root", b"home"]
    assert [(one.path, one.persist) for one in found.declarations] == [
        (b"/a", b"/p"),
        (b"/b", b"/p"),
        (b"/c", b"/q"),
    ]
    # A file that is named is read alone.
    assert load(os.fsencode(default)).archive.keep_min == 1


def test_a_fault_in_a_drop_in_names_the_drop_in(tmp_path: Path) -> None:
    (tmp_path / "config.d").mkdir()
    (tmp_path / "config.d/10-mine.toml").write_text("wipe = false")
    with pytest.raises(ConfigError, match=r"config\.d/10-mine\.toml: wipe: there is no such key") as caught:
        load(None, default=os.fsencode(tmp_path / "config.toml"))
    assert caught.value.hint == "it belongs below [rollback]"


def test_paths_may_have_any_bytes(tmp_path: Path) -> None:
    found = parsed(tmp_path, r"""[persist."/p"]""" + "\n" + r"""files = ['/a\xff', "/b\\x5cc", "/é"]""")
    assert [one.path for one in found.declarations] == [b"/a\xff", b"/b\\c", "/é".encode()]


# The running system


def declaring(tmp_path: Path, *paths: str) -> Config:
    return parsed(tmp_path, f"[persist.'/p']\ndirectories = {list(paths)}")


def test_a_declared_path_through_a_symlink(tmp_path: Path) -> None:
    """A user who owns a directory on the way could point root's mount anywhere."""
    root = tmp_path / "root"
    (root / "var/lib").mkdir(parents=True)
    (root / "real/home").mkdir(parents=True)
    (root / "home").symlink_to("/real/home")
    (root / "file").touch()
    (root / "var/lib/link").symlink_to("/etc")
    check = symlinks.check_paths
    check(declaring(tmp_path, "/var/lib/x", "/nowhere/at/all", "/var/lib/link"), os.fsencode(root))
    with pytest.raises(ConfigError, match=r"leads through the symlink /home -> /real/home") as caught:
        check(declaring(tmp_path, "/home/alice/.ssh"), os.fsencode(root))
    assert 'persist."/p".directories[0]' in caught.value.message
    with pytest.raises(ConfigError, match=r"/file is no directory"):
        check(declaring(tmp_path, "/file/x"), os.fsencode(root))


def test_checking_paths_leaves_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    before = len(os.listdir("/proc/self/fd"))
    found = declaring(tmp_path, "/a/b", "/link/b")
    with pytest.raises(ConfigError):
        symlinks.check_paths(found, os.fsencode(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before
