"""What the Nix modules can say is said here too, one to one; and the manual has the table of it."""

import re
from pathlib import Path

import pytest

from impermanenced.config.placement import Details, Ownership, Placement
from impermanenced.model import Declaration

from .reading import ROOT, parsed, refused

# The options of both modules, as their sources declare them.
IMPERMANENCE = {
    "block": ["enable", "persistentStoragePath", "hideMounts", "allowTrash", "directories", "files", "users"],
    "directory": [
        "directory", "user", "group", "mode", "hideMount", "allowTrash", "persistentStoragePath",
    ],
    "file": ["file", "parentDirectory", "method", "persistentStoragePath"],
}  # fmt: skip
PRESERVATION = {
    "block": ["persistentStoragePath", "directories", "files", "users", "commonMountOptions"],
    "directory": [
        "directory", "how", "user", "group", "mode", "configureParent", "parent", "mountOptions",
        "createLinkTarget", "inInitrd",
    ],
    "file": [
        "file", "how", "user", "group", "mode", "configureParent", "parent", "mountOptions",
        "createLinkTarget", "inInitrd",
    ],
    "user": ["username", "home", "directories", "files", "commonMountOptions"],
}  # fmt: skip


def one(tmp_path: Path, text: str) -> Placement:
    """Return the only placement, without the place where it is declared."""
    (found,) = parsed(tmp_path, text).placements
    return found._replace(declaration=found.declaration._replace(source=""))


def usual(path: bytes, *, directory: bool, persist: bytes = b"/p") -> Placement:
    return Placement(Declaration(path, directory, persist, ""), "bind", False, Ownership(), Ownership())


D = usual(b"/d", directory=True)
F = usual(b"/f", directory=False)
BLOCK = "[persist.'/p']\ndirectories = [{{directory = '/d', {}}}]"
FILE = "[persist.'/p']\nfiles = [{{file = '/f', {}}}]"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (BLOCK.format("how = 'bindmount'"), D),
        (BLOCK.format("how = 'symlink'"), D._replace(method="symlink")),
        (
            BLOCK.format("user = 'u', group = 'g', mode = '0750'"),
            D._replace(own=Ownership("u", "g", "0750")),
        ),
        (
            BLOCK.format("configureParent = true, parent = {user = 'u', mode = '0700'}"),
            D._replace(parent=Ownership("u", None, "0700")),
        ),
        (BLOCK.format("configureParent = false, parent = {user = 'u'}"), D),
        (
            BLOCK.format(
                "mountOptions = ['bind', 'noexec', {name = 'X-fstrim.notrim'}, {name = 'a', value = 'b'}]"
            ),
            D._replace(details=Details(options=("noexec", "X-fstrim.notrim", "a=b"))),
        ),
        (BLOCK.format("createLinkTarget = false"), D._replace(details=Details(target=False))),
        (BLOCK.format("createLinkTarget = true"), D),
        (BLOCK.format("inInitrd = true"), D._replace(details=Details(phase="initrd"))),
        (BLOCK.format("inInitrd = false"), D),
        (
            BLOCK.format("hideMount = true, allowTrash = true"),
            D._replace(hide=True, details=Details(trash=True)),
        ),
        (
            BLOCK.format("persistentStoragePath = '/q'"),
            D._replace(declaration=D.declaration._replace(persist=b"/q")),
        ),
        (FILE.format("method = 'auto'"), F._replace(method="auto")),
        (FILE.format("method = 'symlink'"), F._replace(method="symlink")),
        (FILE.format("parentDirectory = {mode = '0700'}"), F._replace(parent=Ownership(None, None, "0700"))),
        (
            FILE.format("inInitrd = true, mode = '0400'"),
            F._replace(own=Ownership(mode="0400"), details=Details(phase="initrd")),
        ),
        (
            "[persist.state]\npersistentStoragePath = '/p'\nhideMounts = true\nallowTrash = true\n"
            "directories = ['/d']",
            D._replace(hide=True, details=Details(trash=True)),
        ),
        (
            "[persist.'/p']\ncommonMountOptions = ['x-gvfs-hide', 'x-gdu.hide']\n"
            "directories = [{directory = '/d', mountOptions = ['noexec', 'x-gdu.hide']}]",
            D._replace(details=Details(options=("x-gvfs-hide", "x-gdu.hide", "noexec"))),
        ),
        (
            "[persist.'/p'.users.login]\nusername = 'carol'\nhome = '/h'\ncommonMountOptions = ['noexec']\n"
            "directories = ['d']",
            usual(b"/h/d", directory=True)._replace(
                own=Ownership("carol"),
                parent=Ownership("carol"),
                user="carol",
                home=b"/h",
                details=Details(options=("noexec",)),
            ),
        ),
        (
            "[persist.'/p']\ndefaultPerms = {user = 'u', mode = '0700'}\ndirectories = ['/d']",
            D._replace(
                own=Ownership("u", None, "0700"),
                parent=Ownership("u", None, "0700"),
                details=Details(default=Ownership("u", None, "0700")),
            ),
        ),
    ],
)
def test_the_options_of_the_modules_mean_the_same(tmp_path: Path, text: str, wanted: Placement) -> None:
    assert one(tmp_path, text) == wanted


def test_a_table_that_is_not_enabled_is_checked_and_left_out(tmp_path: Path) -> None:
    found = parsed(tmp_path, "[persist.'/p']\nenable = false\nfiles = ['/a']\n[persist.'/q']\nfiles = ['/a']")
    assert found.persist == (b"/q",)
    assert [placement.declaration.persist for placement in found.placements] == [b"/q"]
    refused(tmp_path, "[persist.'/p']\nenable = false\nfiles = ['a']")


def test_exclude_and_two_stores_in_one_another(tmp_path: Path) -> None:
    text = """
    [persist.'/p']
    directories = [{path = "/srv", exclude = ["cache//tmp/", "b"], method = "auto"}]
    [persist.games]
    path = "/games"
    directories = ["/srv/steam"]
    """
    found = parsed(tmp_path, text)
    assert found.persist == (b"/p", b"/games")
    srv, steam = found.placements
    assert srv.details.exclude == (b"cache/tmp", b"b")
    assert steam.declaration.persist == b"/games"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            BLOCK.format("how = '_intermediate'"),
            'directories[0].how: "_intermediate" keeps nothing',
            "are made anyway",
        ),
        (BLOCK.format("how = 'bindmounts'"), '"bindmounts" is none of the words', "bind"),
        (BLOCK.format("inInitrd = 'yes'"), '[0].inInitrd: "yes" is not true or false', "inInitrd = true"),
        (BLOCK.format("inInitrd = true, phase = 'system'"), "inInitrd: the same as phase", "leave one"),
        (BLOCK.format("path = '/e'"), "path: the same as path", "leave"),
        (BLOCK.format("mountOptions = ['a,b']"), '"a,b" is not a mount option', "commas"),
        (BLOCK.format("mountOptions = ['a b']"), '"a b" is not a mount option', ""),
        (BLOCK.format("mountOptions = [{name = 'a', values = 1}]"), "is not a string", ""),
        (BLOCK.format("exclude = ['/x']"), '[0].exclude[0]: "/x" is absolute', ""),
        (BLOCK.format("exclude = ['../x']"), 'has ".." in it', ""),
        (BLOCK.format("exclude = ['.']"), '"." is the whole directory', "leave the directory out"),
        (BLOCK.format("method = 'sync'"), '"sync" is none of', ""),
        (
            FILE.format("method = 'sync', phase = 'initrd'"),
            "[0].method: a copy cannot be made",
            "leave out phase",
        ),
        (FILE.format("store = '/'"), "inside the persist volume /", ""),
        # Both declarations are named.
        (
            "[persist.'/p']\ndirectories = ['/var/log', '/var/log/journal']",
            '"/var/log/journal" is inside "/var/log", which {file}: persist."/p".directories[0]',
            "kept with",
        ),
        (
            "[persist.'/p']\nfiles = ['/a', '/a/b']",
            '"/a/b" is inside "/a", which {file}: persist."/p".files[0] declares as a file',
            "wrong",
        ),
        (
            "persist.'/p'.directories = [{path = '/a', method = 'symlink'}]\npersist.'/q'.files = ['/a/b']",
            "makes a symbolic link",
            "bind",
        ),
        (
            "[persist.'/p']\ndirectories = ['/a', {path = '/a', mode = '0700'}]",
            'directories[1]: "/a" is declared otherwise in {file}: persist."/p".directories[0]',
            "leave one out",
        ),
        (
            "[persist.'/p']\nfiles = ['/proc/a']",
            '"/proc/a" is in /proc, which every boot makes anew',
            "leave",
        ),
        ("[persist.'/p']\ndirectories = ['/run']", '"/run" is in /run', ""),
        ("[persist.'/p']\ndirectories = ['/dev/shm']", '"/dev/shm" is in /dev', ""),
        ("[persist.p]\nfiles = ['/a']", 'persist.p: "p" is not absolute', "/p"),
        ("[persist.p]\npath = 'q'\nfiles = ['/a']", 'persist.p.path: "q" is not absolute', "/q"),
    ],
)
def test_refusals(tmp_path: Path, text: str, message: str, hint: str) -> None:
    error = refused(tmp_path, text)
    assert message.format(file=f"{tmp_path}/config.toml") in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize("module", [IMPERMANENCE, PRESERVATION], ids=["impermanence", "preservation"])
def test_the_manual_has_the_table_of_their_options(module: dict[str, list[str]]) -> None:
    page = (ROOT / "docs/impermanence-config.5.scd").read_text()
    table = page.partition("# THE NIX MODULES")[2].partition("\n# ")[0]
    rows = set(re.findall(r"^\|  \*(\w+)\*$", table, re.MULTILINE))
    wanted = {option for options in module.values() for option in options}
    assert wanted - {"directories", "files", "users"} <= rows
