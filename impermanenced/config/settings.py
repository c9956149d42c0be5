"""The table of all settings, from which the parser, the sample and the man page are made."""

from __future__ import annotations

import enum

from .. import state
from ..lazy import NamedTuple
from ..losses import LossClass


class Kind(enum.Enum):
    """The kinds of values; each in the words of error messages and the man page."""

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
    NAMES = "a list of names"
    ENTRIES = "a list of paths, or of tables with a path"
    OPTIONS = "a list of mount options"
    INSIDE = "a list of relative paths"
    TABLE = "a table"


class Setting(NamedTuple):
    """One key of the configuration."""

    section: str  # a header of the sample configuration
    key: str
    kind: Kind
    help: str
    sample: str  # TOML: the default where there is one, else an example
    words: tuple[str, ...] = ()  # the ones that a WORD or WORDS may be
    also: tuple[str, ...] = ()  # the names of the key in the Nix modules


VOLUME = "[[volume]]"
ARCHIVE = "[archive]"
ROLLBACK = "[rollback]"
PERSIST = '[persist."/persist"]'
USER = '[persist."/persist".users.alice]'
DECLARE = "[[declare]]"
WATCH = "[watch]"
GATE = "[gate]"
DIRECTORY = "directories = [{...}]"
FILE = "files = [{...}]"
PARENT = "parent-directory = {...}"
PERMISSIONS = "default-permissions = {...}"

SECTIONS = {
    VOLUME: "A subvolume that is rolled back at boot; one table for each.  Default: the one mounted at /.",
    ARCHIVE: "Where the old roots go, and how long they stay.",
    ROLLBACK: "What the hook in the initrd does.",
    PERSIST: "What is to persist in the persist volume at this path; one table for each. A declaration keeps "
    "nothing by itself: the mount or link that each boot makes for it does, as impermanence apply made it.",
    USER: "What persists below the home of one user.",
    DECLARE: "A file that each boot makes anew from its source; one table for each.",
    WATCH: "Which paths are no loss, and how much undeclared data is announced.",
    GATE: 'What makes "impermanence gate" warn before a reboot, and what makes it block.',
}
# Tables inside the sections above.
ENTRIES = {
    DIRECTORY: "A table in place of a directory's path.",
    FILE: "A table in place of a file's path.",
    PARENT: "How to create the directory around a declared one, or around a file.",
    PERMISSIONS: "How to create what says nothing of its own, and the directories on the way there.",
}

_USER = "the owner, if it has to be created"
_GROUP = "the group, if it has to be created"
_MODE = "the mode, if it has to be created"
_OPTIONS = "options of the mount besides bind, such as noexec; X- and x- options are for other programs"
_PHASE = "when it is there: before the system starts (initrd), or with its other mounts (system)"
_TARGET = "with a symbolic link: create what it leads to, if that is missing"
_WITHOUT = "what presets are not to keep, by path or application"
_STORE = "the persist volume of this one alone"
_LEVEL = 'log at priority {} once undeclared data reaches this size; "0": never'


def _ownership(section: str, mode: str) -> tuple[Setting, ...]:
    return (
        Setting(section, "user", Kind.OWNER, _USER, '"root"'),
        Setting(section, "group", Kind.OWNER, _GROUP, '"root"'),
        Setting(section, "mode", Kind.MODE, _MODE, f'"{mode}"'),
    )


def _presets(section: str, help: str) -> tuple[Setting, ...]:
    return (
        Setting(section, "preset", Kind.NAMES, help, "[]"),
        Setting(section, "without", Kind.NAMES, _WITHOUT, "[]"),
    )


def _hidden(section: str, plural: str, help: str) -> Setting:
    return Setting(section, f"hide-mount{plural}", Kind.SWITCH, help, "false", also=(f"hideMount{plural}",))


def _trash(section: str, help: str) -> Setting:
    return Setting(section, "allow-trash", Kind.SWITCH, help, "false", also=("allowTrash",))


def _details(section: str) -> tuple[Setting, ...]:
    """Return the settings that a directory and a file have in common."""
    return (
        Setting(section, "phase", Kind.WORD, _PHASE, '"system"', ("system", "initrd")),
        _hidden(section, "", "hide the mount from file managers; default: hide-mounts"),
        _trash(section, "give file managers a trash in the mount; default: that of the persist volume"),
        Setting(section, "mount-options", Kind.OPTIONS, _OPTIONS, "[]", also=("mountOptions",)),
        Setting(section, "create-link-target", Kind.SWITCH, _TARGET, "true", also=("createLinkTarget",)),
        Setting(section, "store", Kind.PATH, _STORE, '"/persist"', also=("persistentStoragePath",)),
        Setting(
            section,
            "parent-directory",
            Kind.TABLE,
            "how to create the directory around it, see below",
            '{mode = "u=rwx,g=,o="}',
            also=("parentDirectory", "parent"),
        ),
    )


SETTINGS = (
    Setting(
        VOLUME,
        "name",
        Kind.NAME,
        "the volume's name in reports; default: the last part of the subvolume's path",
        '"root"',
    ),
    Setting(VOLUME, "mountpoint", Kind.PATH, "where the volume is mounted in the running system", '"/"'),
    Setting(
        VOLUME,
        "path",
        Kind.PATH,
        "where the volume is mounted in the system that it belongs to, if that is not the running one; "
        "rules and reports use these paths; default: the mountpoint",
        '"/"',
    ),
    Setting(
        VOLUME,
        "subvolume",
        Kind.SUBVOLUME,
        "the volume itself: a path from the top level; default: what is mounted at the mountpoint",
        '"root"',
    ),
    Setting(
        VOLUME,
        "blank",
        Kind.BLANK,
        "the read-only snapshot that the volume is rolled back to: a path from the top level, or empty; "
        'default: a snapshot with one of the usual names; "": no snapshot, each boot starts with an empty '
        "subvolume",
        '"root-blank"',
    ),
    Setting(
        ARCHIVE,
        "directory",
        Kind.SUBVOLUME,
        "the directory of the old roots: a path from the top level",
        f'"{state.ARCHIVE.decode()}"',
    ),
    Setting(
        ARCHIVE,
        "keep-min",
        Kind.COUNT,
        "how many of the newest old roots of each volume stay, whatever their age",
        "3",
    ),
    Setting(ARCHIVE, "keep-days", Kind.COUNT, "for how many days every old root stays", "30"),
    Setting(
        ARCHIVE,
        "keep-bytes",
        Kind.SPACE,
        "when all old roots together hold more than this, the oldest go before their keep-days are over, "
        'but never the newest keep-min; "0": no limit',
        '"0"',
    ),
    Setting(
        ARCHIVE,
        "free-min",
        Kind.SPACE,
        "when less than this is free, the oldest old roots go before their keep-days are over, but never "
        'the newest keep-min; "0": whatever is free',
        '"0"',
    ),
    Setting(
        ARCHIVE,
        "keep-unreviewed",
        Kind.WORDS,
        "a list of words, the loss classes of which one path that a boot has lost keeps its old root when "
        "keep-days are over, until somebody has reviewed it, or keep-bytes or free-min are reached; []: none",
        '["secret", "database"]',
        tuple(LossClass),
    ),
    Setting(
        ROLLBACK,
        "wipe",
        Kind.SWITCH,
        "false: a trial, in which everything is reported and nothing is wiped",
        "true",
    ),
    Setting(
        ROLLBACK,
        "on-failure",
        Kind.WORD,
        "when a rollback fails: boot the root as it is (keep), or open the emergency shell (stop)",
        '"keep"',
        ("keep", "stop"),
    ),
    Setting(
        ROLLBACK,
        "on-missing-blank",
        Kind.WORD,
        "when the blank is missing or unusable: boot the root as it is (keep), start with an empty one "
        "(create-empty), or open the emergency shell (stop)",
        '"keep"',
        ("keep", "create-empty", "stop"),
    ),
    Setting(
        ROLLBACK,
        "require",
        Kind.PATHS,
        "paths that the blank must hold; without one of them it is not booted",
        "[]",
    ),
    Setting(
        PERSIST,
        "directories",
        Kind.ENTRIES,
        "directories, each as an absolute path or as a table",
        '["/var/log", {path = "/var/lib/colord", user = "colord", group = "colord", mode = "u=rwx,g=rx,o="}]',
    ),
    Setting(
        PERSIST, "files", Kind.ENTRIES, "files, each as an absolute path or as a table", '["/etc/machine-id"]'
    ),
    *_presets(
        PERSIST,
        "what many machines need, by name: identity, network, bluetooth, timers, journal, logs, or an "
        'application such as postgresql; "impermanence presets" lists what each keeps',
    ),
    Setting(
        PERSIST,
        "path",
        Kind.PATH,
        "where the persist volume is; default: the name of the table, which can be any name if this is set",
        '"/persist"',
        also=("persistentStoragePath",),
    ),
    Setting(PERSIST, "enable", Kind.SWITCH, "false: as if the table were not there", "true"),
    _hidden(PERSIST, "s", "hide the mounts from file managers"),
    _trash(PERSIST, "give file managers a trash in each mount, so that they can move files there"),
    Setting(PERSIST, "mount-options", Kind.OPTIONS, _OPTIONS, "[]", also=("commonMountOptions",)),
    Setting(
        PERSIST,
        "default-permissions",
        Kind.TABLE,
        "how to create what says nothing of its own, see below",
        '{mode = "0700"}',
        also=("defaultPerms",),
    ),
    Setting(PERSIST, "users", Kind.TABLE, "one table for each user, see below", "{}"),
    Setting(
        USER,
        "home",
        Kind.PATH,
        "the user's home; default: what the user database of the system says, else /home/ and the name",
        '"/home/alice"',
    ),
    Setting(USER, "username", Kind.OWNER, "the user; default: the name of the table", '"alice"'),
    Setting(
        USER,
        "directories",
        Kind.ENTRIES,
        "directories, each as a path from the home or as a table",
        '[".ssh", {path = ".local/share/Steam", method = "symlink"}]',
    ),
    Setting(
        USER, "files", Kind.ENTRIES, "files, each as a path from the home or as a table", '[".screenrc"]'
    ),
    *_presets(USER, 'what applications have in the home, by name: see "impermanence presets"'),
    Setting(
        USER,
        "mount-options",
        Kind.OPTIONS,
        "further options of this user's mounts",
        "[]",
        also=("commonMountOptions",),
    ),
    Setting(DECLARE, "path", Kind.PATH, "the file", '"/etc/motd"'),
    Setting(DECLARE, "source", Kind.PATH, "what it is made from", '"/persist/files/motd"'),
    Setting(DECLARE, "method", Kind.WORD, "a link to the source or a copy", '"symlink"', ("symlink", "copy")),
    *_ownership(DECLARE, "0644"),
    Setting(
        WATCH,
        "ignore",
        Kind.PATTERNS,
        'patterns of paths that are no loss, relative to "/"',
        '["/tmp/", "*.swp"]',
    ),
    Setting(WATCH, "notice-bytes", Kind.SPACE, _LEVEL.format("notice"), '"1GiB"'),
    Setting(WATCH, "warning-bytes", Kind.SPACE, _LEVEL.format("warning"), '"5GiB"'),
    Setting(WATCH, "critical-bytes", Kind.SPACE, _LEVEL.format("critical"), '"20GiB"'),
    Setting(
        GATE,
        "warn",
        Kind.WORDS,
        "a list of words, the loss classes of which one path is enough to warn; "
        "default: see LOSS CLASSES in impermanence(1)",
        '["document", "unknown"]',
        tuple(LossClass),
    ),
    Setting(
        GATE,
        "block",
        Kind.WORDS,
        "a list of words, the loss classes of which one path is enough to block; "
        "default: see LOSS CLASSES in impermanence(1)",
        '["secret"]',
        tuple(LossClass),
    ),
    Setting(
        GATE,
        "warn-bytes",
        Kind.SPACE,
        'warn once undeclared data, of whatever class, reaches this size; "0": never',
        '"0"',
    ),
    Setting(
        GATE,
        "block-bytes",
        Kind.SPACE,
        'block once undeclared data, of whatever class, reaches this size; "0": never',
        '"0"',
    ),
    Setting(
        GATE,
        "inhibit",
        Kind.SWITCH,
        "true: while the gate blocks, the daemon makes logind refuse to shut down or reboot",
        "false",
    ),
    Setting(DIRECTORY, "path", Kind.PATH, "the directory", '"/var/lib/colord"', also=("directory",)),
    *_ownership(DIRECTORY, "0755"),
    Setting(
        DIRECTORY,
        "method",
        Kind.WORD,
        "how it is kept: by a bind mount or a symbolic link; auto is a bind mount",
        '"bind"',
        ("bind", "symlink", "auto"),
        also=("how",),
    ),
    *_details(DIRECTORY),
    Setting(
        DIRECTORY,
        "exclude",
        Kind.INSIDE,
        "directories in it that do not persist: each boot has them empty",
        '["cache"]',
    ),
    Setting(FILE, "path", Kind.PATH, "the file", '"/var/keys/secret_file"', also=("file",)),
    *_ownership(FILE, "0644"),
    Setting(
        FILE,
        "method",
        Kind.WORD,
        "how it is kept: by a bind mount, by a symbolic link, or as a copy (sync) for programs that replace "
        "the file; auto is a symbolic link while the persist volume lacks the file, and else a bind mount",
        '"bind"',
        ("bind", "symlink", "auto", "sync"),
        also=("how",),
    ),
    *_details(FILE),
    *_ownership(PARENT, "0755"),
    *_ownership(PERMISSIONS, "0755"),
)


def of(section: str) -> dict[str, Setting]:
    """Return the settings of a section by key, and also by their names in the Nix modules."""
    found = [setting for setting in SETTINGS if setting.section == section]
    named = {name: setting for setting in found for name in setting.also}
    return {setting.key: setting for setting in found} | named
