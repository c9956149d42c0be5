"""Every setting there is: the parser, the sample and the man page are made from this one table."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .. import state
from ..losses import WORTH


class Kind(enum.Enum):
    """What a value must be, in words."""

    SWITCH = "true or false"
    COUNT = "a whole number, 0 or more"
    WORD = "a word"
    NAME = "a name"
    PATH = "an absolute path"
    SUBVOLUME = "a path from the top level"
    BLANK = "a path from the top level, or empty"
    OWNER = "a user or group name"
    SPACE = "a size such as 10GiB, or a share of the filesystem such as 10%"
    MODE = "a mode such as 0700 or u=rwx,g=rx,o="
    PATHS = "a list of absolute paths"
    PATTERNS = "a list of gitignore patterns"
    WORDS = "a list of words"
    ENTRIES = "a list of paths, or of tables with a path"
    TABLE = "a table"


@dataclass(frozen=True, slots=True)
class Setting:
    section: str  # a header of the sample
    key: str
    kind: Kind
    help: str
    sample: str  # TOML: the default where there is one, else an example
    words: tuple[str, ...] = ()  # of a WORD or WORDS: the ones there are
    also: str = ""  # the name that the Nix modules have for it


VOLUME = "[[volume]]"
ARCHIVE = "[archive]"
ROLLBACK = "[rollback]"
PERSIST = '[persist."/persist"]'
USER = '[persist."/persist".users.alice]'
WATCH = "[watch]"
GATE = "[gate]"
DIRECTORY = "directories = [{...}]"
FILE = "files = [{...}]"
PARENT = "parent-directory = {...}"

SECTIONS = {
    VOLUME: "A subvolume that is rolled back at boot, one table each.  Default: one, the mount of /.",
    ARCHIVE: "Where the old roots go, and how long they stay.",
    ROLLBACK: "What happens in the initrd.",
    PERSIST: "What lives on, and the persist volume that holds it; one table for each volume.",
    USER: "The same below the home of a user.",
    WATCH: "What is no loss, and how much of it is news.",
    GATE: "What impermanence gate warns of before a reboot, and what it blocks one for.",
}
# Tables that may stand in place of a path.
ENTRIES = {
    DIRECTORY: "A directory with more to say than its path.",
    FILE: "A file with more to say than its path.",
    PARENT: "How the directory that holds a file is made.",
}

_USER = "who owns it when it has to be made"
_MODE = "its mode when it has to be made"
_METHODS = ("bind", "symlink")
_LEVEL = 'undeclared bytes from which on that is said with this priority; "0": never'

SETTINGS = (
    Setting(
        VOLUME, "name", Kind.NAME, "its name in reports; default: the last part of the subvolume", '"root"'
    ),
    Setting(VOLUME, "mountpoint", Kind.PATH, "where it is mounted in the running system", '"/"'),
    Setting(
        VOLUME,
        "path",
        Kind.PATH,
        "its place in the system it belongs to, which rules and reports see; default: the mountpoint",
        '"/"',
    ),
    Setting(
        VOLUME,
        "subvolume",
        Kind.SUBVOLUME,
        "a path from the top level; default: what is mounted there",
        '"root"',
    ),
    Setting(
        VOLUME,
        "blank",
        Kind.BLANK,
        "the read-only snapshot it is rolled back to, a path from the top level, or empty; "
        'default: found by the known names; "": none, an empty subvolume is made',
        '"root-blank"',
    ),
    Setting(ARCHIVE, "directory", Kind.SUBVOLUME, "a path from the top level", f'"{state.ARCHIVE.decode()}"'),
    Setting(ARCHIVE, "keep-min", Kind.COUNT, "old roots that stay whatever their age", "3"),
    Setting(ARCHIVE, "keep-days", Kind.COUNT, "days for which every old root stays", "30"),
    Setting(
        ARCHIVE,
        "keep-bytes",
        Kind.SPACE,
        "while old roots hold more than this together, they go before their keep-days are over, the "
        'oldest first; keep-min still holds; "0": no limit',
        '"0"',
    ),
    Setting(
        ARCHIVE,
        "free-min",
        Kind.SPACE,
        "while less is free, old roots go before their keep-days are over, the oldest first; "
        'keep-min still holds; "0": never',
        '"0"',
    ),
    Setting(ROLLBACK, "wipe", Kind.SWITCH, "false: a trial; everything reports, nothing is wiped", "true"),
    Setting(
        ROLLBACK,
        "on-failure",
        Kind.WORD,
        "boot the root as it is (keep), or go to the emergency shell (stop)",
        '"keep"',
        ("keep", "stop"),
    ),
    Setting(
        ROLLBACK,
        "on-missing-blank",
        Kind.WORD,
        "boot the root as it is (keep), start with an empty one (create-empty), or stop",
        '"keep"',
        ("keep", "create-empty", "stop"),
    ),
    Setting(
        ROLLBACK,
        "require",
        Kind.PATHS,
        "paths that the blank must hold to be booted",
        "[]",
    ),
    Setting(
        PERSIST,
        "directories",
        Kind.ENTRIES,
        "directories, each by its absolute path or as a table",
        '["/var/log", {path = "/var/lib/colord", user = "colord", group = "colord", mode = "u=rwx,g=rx,o="}]',
    ),
    Setting(PERSIST, "files", Kind.ENTRIES, "files, likewise", '["/etc/machine-id"]'),
    Setting(
        PERSIST,
        "hide-mounts",
        Kind.SWITCH,
        "keep the mounts out of file managers",
        "false",
        also="hideMounts",
    ),
    Setting(PERSIST, "users", Kind.TABLE, "a table for each user, see below", "{}"),
    Setting(
        USER,
        "home",
        Kind.PATH,
        "default: what the system says, else /home/ and the name",
        '"/home/alice"',
    ),
    Setting(
        USER,
        "directories",
        Kind.ENTRIES,
        "directories, each by its path from the home or as a table",
        '[".ssh", {path = ".local/share/Steam", method = "symlink"}]',
    ),
    Setting(USER, "files", Kind.ENTRIES, "files, likewise", '[".screenrc"]'),
    Setting(
        WATCH,
        "ignore",
        Kind.PATTERNS,
        'gitignore patterns relative to "/"',
        '["/tmp/", "*.swp"]',
    ),
    Setting(WATCH, "notice-bytes", Kind.SPACE, _LEVEL, '"1GiB"'),
    Setting(WATCH, "warning-bytes", Kind.SPACE, _LEVEL, '"5GiB"'),
    Setting(WATCH, "critical-bytes", Kind.SPACE, _LEVEL, '"20GiB"'),
    Setting(
        GATE,
        "warn",
        Kind.WORDS,
        "loss classes of which one path is enough to warn",
        '["document", "service-state", "subvolume", "config", "unknown", "history"]',
        tuple(WORTH),
    ),
    Setting(
        GATE,
        "block",
        Kind.WORDS,
        "loss classes of which one path is enough to block",
        '["secret", "database"]',
        tuple(WORTH),
    ),
    Setting(
        GATE,
        "warn-bytes",
        Kind.SPACE,
        'undeclared bytes, of whatever class, from which on it warns; "0": never',
        '"0"',
    ),
    Setting(GATE, "block-bytes", Kind.SPACE, 'the same for a block; "0": never', '"0"'),
    Setting(
        GATE,
        "inhibit",
        Kind.SWITCH,
        "while the gate blocks, the daemon has logind refuse to shut down or reboot",
        "false",
    ),
    Setting(DIRECTORY, "path", Kind.PATH, "the directory", '"/var/lib/colord"', also="directory"),
    Setting(DIRECTORY, "user", Kind.OWNER, _USER, '"root"'),
    Setting(DIRECTORY, "group", Kind.OWNER, _USER, '"root"'),
    Setting(DIRECTORY, "mode", Kind.MODE, _MODE, '"0755"'),
    Setting(DIRECTORY, "method", Kind.WORD, "bind mount, or symbolic link", '"bind"', _METHODS),
    Setting(
        DIRECTORY,
        "hide-mount",
        Kind.SWITCH,
        "keep the mount out of file managers; default: hide-mounts",
        "false",
        also="hideMount",
    ),
    Setting(FILE, "path", Kind.PATH, "the file", '"/var/keys/secret_file"', also="file"),
    Setting(FILE, "user", Kind.OWNER, _USER, '"root"'),
    Setting(FILE, "group", Kind.OWNER, _USER, '"root"'),
    Setting(FILE, "mode", Kind.MODE, _MODE, '"0644"'),
    Setting(FILE, "method", Kind.WORD, "bind mount, or symbolic link", '"bind"', _METHODS),
    Setting(
        FILE,
        "parent-directory",
        Kind.TABLE,
        "how the directory that holds it is made, see below",
        '{mode = "u=rwx,g=,o="}',
        also="parentDirectory",
    ),
    Setting(PARENT, "user", Kind.OWNER, _USER, '"root"'),
    Setting(PARENT, "group", Kind.OWNER, _USER, '"root"'),
    Setting(PARENT, "mode", Kind.MODE, _MODE, '"0755"'),
)


def of(section: str) -> dict[str, Setting]:
    """The settings of a section by key, with the names that the Nix modules use."""
    found = [setting for setting in SETTINGS if setting.section == section]
    named = {setting.also: setting for setting in found if setting.also}
    return {setting.key: setting for setting in found} | named
