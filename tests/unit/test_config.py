"""Good configurations to values, bad ones to a sentence that says where and why."""

import dataclasses
import json
import os
import subprocess
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.config import sample, settings, symlinks
from impermanenced.config.load import (
    ArchiveSettings,
    Config,
    GateSettings,
    LevelSettings,
    Ownership,
    RollbackSettings,
    VolumeSettings,
    load,
)
from impermanenced.config.values import NOTHING, Space
from impermanenced.errors import ConfigError, NotPermitted, UsageError
from impermanenced.model import Declaration

ROOT = Path(settings.__file__).parents[2]


def parsed(tmp_path: Path, text: str | bytes) -> Config:
    file = tmp_path / "config.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(os.fsencode(file))


def refused(tmp_path: Path, text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parsed(tmp_path, text)
    assert caught.value.message.startswith(f"{tmp_path}/config.toml: ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message.splitlines()) == 1
    return caught.value


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


ARTICLE = """
[persist."/persist"]
hideMounts = true
directories = [
  "/etc/nixos", "/var/log", "/var/lib/bluetooth", "/var/lib/nixos", "/var/lib/systemd/coredump",
  "/etc/NetworkManager/system-connections",
  {directory = "/var/lib/colord", user = "colord", group = "colord", mode = "u=rwx,g=rx,o="},
]
files = [
  "/etc/machine-id",
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


# What is refused


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        # Keys
        ("[archive]\nkeep_min = 3", "archive.keep_min: there is no such key", 'did you mean "keep-min"?'),
        ("[rolback]\nwipe = true", "rolback: there is no such key", 'did you mean "rollback"?'),
        ("[volume]\nname = 'a'", "volume: one table", "[[volume]]"),
        ("keep-min = 3", "keep-min: there is no such key", "it belongs below [archive]"),
        ("xyzzy = 3", "xyzzy: there is no such key", "it can be: volume, archive"),
        ('"a\\u001bb" = 1', r'"a\x1bb": there is no such key', ""),
        ("[persist]\ndirectories = ['/a']", "persist.directories: what persists", '[persist."/persist"]'),
        ("[persist.'/p'.users.a]\nfile = ['x']", 'users.a.file: there is no such key', '"files"'),
        ("[persist.'/p']\nfiles = [{path = '/a', directory = '/a'}]", "files[0].directory: there is no", ""),
        ("[persist.'/p']\nfiles = [{path = '/a', file = '/b'}]", "files[0].file: the same as path", "leave"),
        # Types and ranges
        ("[rollback]\nwipe = 'yes'", 'rollback.wipe: "yes" is not true or false', "wipe = true"),
        ("[rollback]\nwipe = 0", "rollback.wipe: 0 is not true or false", ""),
        ("[archive]\nfree-min = 10", "archive.free-min: 10 is not a size", 'free-min = "0"'),
        ("[archive]\nfree-min = '101%'", 'archive.free-min: "101%" is not a size', ""),
        ("[archive]\nfree-min = '10 GiB'", 'archive.free-min: "10 GiB" is not a size', ""),
        ("[archive]\nfree-min = '10GB'", 'archive.free-min: "10GB" is not a size', ""),
        ("[gate]\nblock = ['secrets']", 'gate.block[0]: "secrets" is none of', 'did you mean "secret"?'),
        ("[gate]\nblock = 'secret'", 'gate.block: "secret" is not a list of words', ""),
        ("[gate]\ninhibit = 'yes'", 'gate.inhibit: "yes" is not true or false', ""),
        ("[watch]\nwarning-bytes = '1GB'", 'watch.warning-bytes: "1GB" is not a size', ""),
        ("[archive]\nkeep-min = -1", "archive.keep-min: -1 is not a whole number, 0 or more", ""),
        ("[archive]\nkeep-min = true", "archive.keep-min: true is not a whole number", ""),
        ("[archive]\nkeep-min = 3.5", "archive.keep-min: 3.5 is not a whole number", ""),
        ("[archive]\nkeep-days = 99999999999999999999", "keep-days: 99999999999999999999 is not", ""),
        ("[archive]\nkeep-days = 1979-05-27", "keep-days: datetime.date(1979, 5, 27) is not", ""),
        ("[watch]\nignore = '*.swp'", 'watch.ignore: "*.swp" is not a list of gitignore', 'ignore = ["'),
        ("[watch]\nignore = [1]", "watch.ignore[0]: 1 is not a string", ""),
        ("[watch]\nignore = ['a', '/']", 'watch.ignore[1]: "/" is not a gitignore pattern', "gitignore(5)"),
        ("[watch]\nignore = ['#a']", 'ignore[0]: "#a" is not a gitignore pattern', ""),
        ("volume = 3", "volume: one table", "[[volume]]"),
        ("volume = [3]", "volume[0]: 3 is not a table", "[[volume]]"),
        ("archive = []", "archive: [] is not a table", "[archive]"),
        ("persist = 1", "persist: 1 is not a table", ""),
        ("[persist.'/p']\nusers = ['a']", "users: ['a'] is not a table", ""),
        ("[persist.'/p'.users]\na = 1", "users.a: 1 is not a table", ""),
        ("[persist.'/p']\ndirectories = [1]", "directories[0]: 1 is neither a path nor a table", ""),
        ("[persist.'/p']\ndirectories = [{}]", "directories[0]: a table without a path", "{path = "),
        ("[persist.'/p']\ndirectories = [{path = '/a', mode = 755}]", "[0].mode: 755 is not a mode", ""),
        ("[persist.'/p']\ndirectories = [{path = '/a', mode = '0999'}]", '"0999" is not a mode', "0755"),
        ("[persist.'/p']\ndirectories = [{path = '/a', user = 'a;b'}]", '"a;b" is not a user or group', ""),
        ("[persist.'/p'.users.'a/b']\nfiles = ['x']", '"a/b" is not a user name', ""),
        # Words
        ("[rollback]\non-failure = 'stpo'", 'on-failure: "stpo" is none', 'did you mean "stop"?'),
        ("[rollback]\non-failure = 'create-empty'", 'on-failure: "create-empty" is none', "keep, stop"),
        ("[rollback]\non-missing-blank = 'empty'", '"empty" is none', '"create-empty"'),
        ("[persist.'/p']\ndirectories = [{path = '/a', method = 'bindfs'}]", '"bindfs" is none', '"bind"'),
        # Paths
        ("[persist.'/p']\nfiles = ['/a/../b']", "files[0]: \"/a/../b\" has \"..\" in it", "leads to"),
        ("[persist.'/p']\nfiles = ['etc/a']", 'files[0]: "etc/a" is not absolute', 'write "/etc/a"'),
        ("[persist.'/p'.users.a]\nfiles = ['/etc/a']", '"/etc/a" is absolute', "relative to the home"),
        ("[persist.'/p'.users.a]\nfiles = ['../b/.ssh']", 'has ".." in it', ""),
        ("[persist.'/p'.users.a]\nfiles = ['.']", "is the whole home", ""),
        ("[persist.'/p']\ndirectories = ['/']", '"/" is the whole root', ""),
        ("[persist.'/p']\ndirectories = ['//.//']", "is the whole root", ""),
        ("[persist.'/p']\nfiles = ['']", "files[0]: an empty path", ""),
        ('[persist."/p"]\nfiles = ["/a\\u0000"]', "has a NUL or a newline in it", ""),
        ('[persist."/p"]\nfiles = ["/a\\nb"]', r'"/a\x0ab" has a NUL or a newline', ""),
        (r"""[persist."/p"]""" + "\n" + r"""files = ['/a\x0ab']""", "has a NUL or a newline in it", ""),
        (r"""[persist."/p"]""" + "\n" + r"""files = ['/a\b']""", "a backslash stands only in", r"\\x5c"),
        (f"[persist.'/p']\nfiles = ['/{'a' * 5000}']", "5001 bytes is longer than", ""),
        ("[persist.'p']\nfiles = ['/a']", 'persist.p: "p" is not absolute', ""),
        ("[persist.'/p/..']\nfiles = ['/a']", 'has ".." in it', ""),
        ("[persist.'/']\nfiles = ['/a']", "the persist volume cannot be /", ""),
        ("[persist.'/p']\nfiles = ['/p/a']", '"/p/a" is inside the persist volume /p', ""),
        ("[persist.'/nix/p']\ndirectories = ['/nix']", '"/nix" is above the persist volume /nix/p', ""),
        ("[persist.'/p']\nfiles = ['/a']\n[persist.'/q']\nfiles = ['/a']", "declared otherwise in", ""),
        ("[persist.'/p']\nfiles = ['/a']\ndirectories = ['/a']", "declared otherwise in", ""),
        ("[rollback]\nrequire = ['etc']", 'rollback.require[0]: "etc" is not absolute', ""),
        ("[[volume]]\nmountpoint = 'mnt'", 'volume[0].mountpoint: "mnt" is not absolute', ""),
        # Volumes
        ("[[volume]]\nsubvolume = '/'", 'volume[0].subvolume: "/" names no subvolume', "@/root"),
        ("[[volume]]\nsubvolume = ''", 'volume[0].subvolume: "" names no subvolume', ""),
        ("[[volume]]\nname = ''", 'volume[0].name: "" names no subvolume', ""),
        ("[[volume]]\nname = '..'", 'volume[0].name: ".." names no subvolume', ""),
        ("[[volume]]\nname = '/'", 'volume[0].name: "/" has', ""),
        ("[[volume]]\nname = 'a b'", 'volume[0].name: "a b" has a space or a character', "safe"),
        ("[[volume]]\nname = 'a$(b)'", "has a space or a character that a shell", ""),
        ("[[volume]]\nname = '-rf'", "has a space or a character that a shell", ""),
        ("[[volume]]\nsubvolume = 'a/../b'", "names no subvolume", ""),
        ("[[volume]]\nsubvolume = 'a//b'", "names no subvolume", ""),
        ('[[volume]]\nsubvolume = "a\\nb"', r'"a\x0ab" has a space', ""),
        ("[archive]\ndirectory = ''", "archive.directory", ""),
        ("[archive]\ndirectory = '.impermanence'", "is the state directory's", "old_roots"),
        ("[[volume]]\nsubvolume = '.impermanence/x'", "is the state directory's", ""),
        (
            "[[volume]]\nsubvolume = 'root'\nblank = 'root/blank'",
            'volume[0].blank: "root/blank" is inside the volume "root"',
            "beside the volume",
        ),
        ("[[volume]]\nsubvolume = 'root'\nblank = 'root'", "is inside the volume", ""),
        (
            "[archive]\ndirectory = 'root/old'\n[[volume]]\nsubvolume = 'root'",
            'archive.directory: the archive "root/old" is inside the volume "root"',
            "beside the volume",
        ),
        ("[[volume]]\nsubvolume = 'old_roots'", 'volume[0]: the archive "old_roots" is inside', ""),
        (
            "[[volume]]\nsubvolume = 'root'\n[[volume]]\nsubvolume = '/root'\nmountpoint = '/b'",
            'volume[1].subvolume: "root" is another volume already',
            "",
        ),
        (
            "[[volume]]\nsubvolume = 'a/root'\n[[volume]]\nsubvolume = 'b/root'\nmountpoint = '/b'",
            'volume[1].name: "root" is another volume\'s name',
            "name =",
        ),
        ("[[volume]]\nname = 'a'\n[[volume]]\nname = 'b'", 'volume[1].mountpoint: "/" is another', ""),
        # TOML
        ("[rollback\n", "(at line 1, column 10)", "toml.io"),
        ("a = 1\na = 2", "Cannot overwrite a value", ""),
        ("a = '\x00'", "line 1", ""),
        (b"a = 1\nb = '\xff'", "line 2: byte 0xff is not UTF-8", ""),
        ("a = " + "[" * 100_000, "nested too deeply", ""),
        ("a = " + "9" * 10_000, "", ""),
        (b"#" * (2 << 20), "larger than 1 MiB", ""),
    ],
    ids=lambda value: str(value)[:60].replace("\n", " ") if len(value) < 5000 else "long",
)  # fmt: skip
def test_refusals(tmp_path: Path, text: str | bytes, message: str, hint: str) -> None:
    error = refused(tmp_path, text)
    assert message in error.message
    assert hint in (error.hint or "")


def test_a_root_blank_beside_the_root_is_not_inside_it(tmp_path: Path) -> None:
    volume = "[[volume]]\nsubvolume = 'root'\nblank = 'root-blank'\n"
    parsed(tmp_path, volume + "[archive]\ndirectory = 'root-old'")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such configuration file"):
        load(os.fsencode(tmp_path / "missing.toml"))
    with pytest.raises(ConfigError, match=r"not a regular file"):
        load(os.fsencode(tmp_path))
    with pytest.raises(ConfigError, match=r"not a regular file"):
        load(b"/dev/zero")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match=r"not a regular file"):
        load(os.fsencode(tmp_path / "fifo"))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=r"loop: Too many levels"):
        load(os.fsencode(tmp_path / "loop"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else: run make test as root")
def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    file.chmod(0o600)
    fd = os.open(tmp_path, os.O_PATH)
    os.setresuid(-1, 65534, -1)
    try:
        with pytest.raises(NotPermitted, match=r"may not be read"):
            load(b"/proc/self/fd/%d/config.toml" % fd)
    finally:
        os.setresuid(-1, 0, -1)
        os.close(fd)


words = st.sampled_from(
    [setting.key for setting in settings.SETTINGS]
    + ["volume", "archive", "rollback", "persist", "watch", "gate"]
    + ["/persist", "users", "alice", "keep", "..", "/"]
)
values = st.recursive(
    st.one_of(words, st.text(max_size=6), st.integers(), st.booleans(), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


def toml(value: object) -> str:
    """Every value as an inline one: JSON but for tables and some characters."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return (
            repr(value).replace("e", ".0e") if "e" in repr(value) and "." not in repr(value) else repr(value)
        )
    return json.dumps(value).replace("\x7f", "")


@hypothesis.settings(deadline=None)
@given(st.dictionaries(words, values, max_size=4))
def test_nothing_but_a_configuration_or_a_config_error(document: dict[str, object]) -> None:
    text = "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in document.items())
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode("utf-8", "replace"))
        file.flush()
        try:
            load(os.fsencode(file.name))
        except ConfigError as error:
            assert error.message.isprintable()


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


# One table


@pytest.mark.parametrize(
    "text, of_1001", [("0", 0), ("1KiB", 1024), ("3MiB", 3 << 20), ("10%", 101), ("0%", 0), ("100%", 1001)]
)
def test_free_space(tmp_path: Path, text: str, of_1001: int) -> None:
    assert parsed(tmp_path, f'[archive]\nfree-min = "{text}"').archive.free_min.of(1001) == of_1001


def test_the_sample_is_as_the_table_says() -> None:
    expected = (ROOT / "docs/config.toml.sample").read_text()
    assert sample.sample() == expected, "python -m impermanenced.config.sample > docs/config.toml.sample"


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    assert parsed(tmp_path, sample.sample()) == parsed(tmp_path, "")


def test_the_sample_can_be_uncommented(tmp_path: Path) -> None:
    lines = [line.removeprefix("#") for line in sample.sample().splitlines() if not line.startswith("# ")]
    found = parsed(tmp_path, "\n".join(lines))
    assert found.archive == ArchiveSettings()
    assert found.rollback == RollbackSettings()
    assert (_with_its_classes(found.gate), found.levels) == (GateSettings(), LevelSettings())
    assert len(found.placements) == 6


def _with_its_classes(gate: GateSettings) -> GateSettings:
    """Return it with the lists of classes that hold by default: of these the table has examples."""
    assert gate.warn and gate.block
    return dataclasses.replace(gate, warn=GateSettings().warn, block=GateSettings().block)


def test_every_default_in_the_table_is_the_real_one() -> None:
    names = {"[archive]": ArchiveSettings(), "[rollback]": RollbackSettings()}
    for setting in settings.SETTINGS:
        if setting.section in names:
            value = getattr(names[setting.section], setting.key.replace("-", "_"))
            written = value.decode() if isinstance(value, bytes) else value
            texts = {True: "true", False: "false", (): "[]", NOTHING: '"0"'}
            expected = f'"{written}"' if isinstance(written, str) else texts.get(written, str(written))
            assert setting.sample == expected, setting.key


def test_the_defaults_of_gate_and_levels_are_those_of_the_table(tmp_path: Path) -> None:
    lines = []
    for section in ("[watch]", "[gate]"):
        lines += [section, *(f"{key} = {one.sample}" for key, one in settings.of(section).items())]
    found = parsed(tmp_path, "\n".join(lines))
    assert (_with_its_classes(found.gate), found.levels) == (GateSettings(), LevelSettings())


def test_the_man_page_lists_every_setting() -> None:
    page = (ROOT / "docs/impermanence-config.5.scd").read_text()
    assert sample.man() in page, "python -m impermanenced.config.sample man"


def test_the_generator_is_a_program() -> None:
    python = ROOT / ".venv/bin/python"
    if not python.exists():
        pytest.skip("needs the virtual environment: make venv")
    argv = [os.fspath(python), "-m", "impermanenced.config.sample"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == sample.sample()
