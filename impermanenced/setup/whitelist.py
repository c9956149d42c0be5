"""What of a machine is to persist: what says who it is, what its people have, what its services remember.

All else is in the blank as it is now, software and the settings in /etc among it: nothing is lost by not
being kept, only later changes to it are.  The books of package managers belong beside the software.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Sequence

from ..lazy import regex
from ..paths import ancestors, within
from ..system import unit_files
from ..system.unit_files import STATE, WORDS, Units
from . import content, presets
from .facts import Account, Kept

PERSIST = b"/persist"  # where the persist volume is mounted
CONFIGURATION = b"/etc/impermanence"

# Directories that are kept where they exist, and that no preset has.
_DIRECTORIES = (
    (b"/root", "root's home"),
    (b"/etc/cups", "the printers"),
    (b"/srv", "what this machine serves"),
    (b"/var/lib/private", "the state of services with users of their own"),
    *(
        (b"/var/lib/systemd/" + name, words)
        for name, words in (
            (b"timesync", "the time before the clock is set"),
            (b"linger", "whose services run without a login"),
            (b"coredump", "core dumps"),
            (b"backlight", "the brightness of screens"),
            (b"rfkill", "which radios are off"),
            (b"pstore", "what a crashed kernel left"),
        )
    ),
)
_FILES = ((b"/var/lib/systemd/credential.secret", "the key of credentials"),)
_HOST_KEY = regex(rb"ssh_host_[a-z0-9_]+_key(?:\.pub)?")
# Where each directory is kept that holds something which no package brought.
_STATE = (b"/var/lib", b"/var/spool")
# What belongs to the software, or is made anew from it.
_SOFTWARE = frozenset(
    (
        b"alternatives", b"app-info", b"apt", b"apt-listchanges", b"apt-xapian-index", b"aptitude",
        b"aspell", b"command-not-found", b"dbus", b"debconf", b"dhcp", b"dictionaries-common", b"dkms",
        b"dnf", b"doc-base", b"dpkg", b"dracut", b"emacsen-common", b"gems", b"ghostscript", b"grub",
        b"impermanence", b"initramfs-tools", b"ispell", b"locales", b"machines", b"man-db", b"os-prober",
        b"PackageKit", b"pacman", b"pam", b"plymouth", b"polkit-1", b"portables", b"private", b"python",
        b"rpm", b"rpm-state", b"selinux", b"sgml-base", b"shells.state", b"shim-signed", b"swcatalog",
        b"systemd", b"texmf", b"ucf", b"update-manager", b"update-notifier", b"usbutils", b"usrmerge",
        b"vim", b"xfonts", b"xkb", b"xml-core", b"yum", b"zypp",
    )
)  # fmt: skip


def kept(root: int, accounts: Sequence[Account], separate: Collection[bytes]) -> Iterator[Kept]:
    """Yield what is to persist, sorted by path; `root` is a descriptor of the system's root.

    What lies in or below something of `separate`, which is mounted of its own, persists already.
    """
    software = [b"/var/lib/" + name for name in _SOFTWARE - {b"private"}]
    found = [
        *presets.fitting(root, separate, software),
        Kept(CONFIGURATION, True, "what is declared"),
        *_homes(root, accounts),
        *(Kept(path, True, why) for path, why in _DIRECTORIES if content.there_is(root, path, stat.S_ISDIR)),
        *(Kept(path, False, why) for path, why in _FILES if content.there_is(root, path, stat.S_ISREG)),
        *_host_keys(root),
        *_state(root),
    ]
    above: list[bytes] = []
    for one in sorted(found, key=lambda kept: kept.path):
        outside = {one.path, *ancestors(one.path)}
        if outside.isdisjoint(separate) and outside.isdisjoint(above):
            above.append(one.path)
            yield one


def _homes(root: int, accounts: Sequence[Account]) -> Iterator[Kept]:
    homes = [one for one in accounts if one.uid]
    if any(within(one.home, b"/home") for one in homes):
        yield Kept(b"/home", True, "the homes")
    for one in homes:
        if not within(one.home, b"/home"):
            yield Kept(one.home, True, f"the home of {one.name}")


def _host_keys(root: int) -> Iterator[Kept]:
    for name in content.names(root, b"/etc/ssh"):
        path = b"/etc/ssh/" + name
        if _HOST_KEY.fullmatch(name) and content.there_is(root, path, stat.S_ISREG):
            yield Kept(path, False, "by which SSH knows this machine")


def _state(root: int) -> Iterator[Kept]:
    candidates = [
        above + b"/" + name
        for above in _STATE
        for name in content.names(root, above)
        if name not in _SOFTWARE and content.there_is(root, above + b"/" + name, stat.S_ISDIR)
    ]
    units = unit_files.from_files(root)
    found = content.with_something(root, candidates)
    for path in sorted(found | {one for one in candidates if content.of_a_service(root, one)}):
        yield Kept(path, True, _why(units, path))


def _why(units: Units, path: bytes) -> str:
    owner = units.of(path)
    if owner is not None and owner[1].kind == STATE:
        return f"{WORDS[STATE]} of {owner[1].unit}"
    return "state, by its place"
