"""Bad configurations become a sentence that says where and why."""

import json
import os
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.config import settings
from impermanenced.config.load import (
    load,
)
from impermanenced.errors import ConfigError, NotPermitted, UsageError

from .reading import parsed, refused


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
        (b"#" * (2 << 20), "larger than 256 KiB", ""),
        ("a." * 100_000 + "a = 1", "a key of more than 32 parts (at line 1)", "toml.io"),
        ("b = 1\n" + '"." . \'=\'\t.' * 20_000, "a key of more than 32 parts (at line 2)", ""),
        ("[" + "a." * 100_000 + "a]", "a key of more than 32 parts", ""),
    ],
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
