"""The kernel that the boot loader starts next: by its own configuration where that can be read, or else the
newest.

    GRUB            next_entry, saved_entry of grubenv; `set default=` and the menu of grub.cfg
    with blscfg     the same, over the entries in /boot/loader/entries
    systemd-boot    `default` of loader.conf; what EFI variables say is not read

A menu in which somebody chooses, and a boot loader that is configured elsewhere, are not foretold.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from ..kernel import openat2
from ..lazy import regex
from . import kernels
from .kernels import Kernel

LARGEST = 4 << 20  # bytes of a file that is read

_GRUBS = (b"boot/grub", b"boot/grub2")
_HEAD = regex(rb"""\s*(menuentry|submenu)\s+('(?:[^']|'\\'')*'|"[^"]*"|[^\s'"]+)(.*)\{\s*$""")
_ID = regex(rb"(?:\$\{?menuentry_id_option\}?|--id)[ =]'?([^'\s]+)'?")
_LINUX = regex(rb"\s*linux(?:16|efi)?\s+(\S+)")
_DEFAULT = regex(rb'^\s*set default="([^"\n]*)"', re.MULTILINE)
_VARIABLE = regex(rb"\$\{(\w+)\}")
_ENV = regex(rb"^([a-z_]+)=(.*)$", re.MULTILINE)
_BLSCFG = regex(rb"^\s*blscfg\b", re.MULTILINE)
_LINE = regex(rb"^\s*(linux|efi|default)\s+(\S+)\s*$", re.MULTILINE)


class Entry:
    """An entry of a boot menu: `names` are its title and its id, `image` is its kernel as the boot loader
    calls it, and `inner` has the entries of a submenu.
    """

    __slots__ = ("image", "inner", "names")

    def __init__(
        self, names: tuple[bytes, ...], image: bytes = b"", inner: list[Entry] | None = None
    ) -> None:
        self.names, self.image, self.inner = names, image, inner


def next_kernel(root: bytes) -> Kernel | None:
    """Return the kernel that the boot loader of the system at this path starts next, or None if there is
    none.
    """
    found = kernels.installed(root)
    with contextlib.suppress(OSError):
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            chosen = next((entry for entry in _chosen(fd) if entry is not None), None)
        finally:
            os.close(fd)
        if chosen is not None:
            found = [*_of_image(found, chosen.image), *found]
    return next(iter(found), None)


def next_release(root: bytes | None) -> bytes:
    """Return the release of that kernel if the system has its modules, or else that of the one that runs."""
    running = os.fsencode(os.uname().release)
    kernel = None if root is None else next_kernel(root)
    if root is None or kernel is None or kernel.release not in kernels.releases(root):
        return running
    return kernel.release


def _chosen(root: int) -> Iterator[Entry | None]:
    for place in _GRUBS:
        if config := _read(root, place + b"/grub.cfg"):
            yield _by_grub(root, config, dict(_ENV.findall(_read(root, place + b"/grubenv"))))
    for esp in kernels.ESPS:
        if config := _read(root, esp + b"/loader/loader.conf"):
            yield _by_pattern(config, _specified(root, esp))


def _read(root: int, path: bytes) -> bytes:
    try:
        return openat2.read(root, path, LARGEST)
    except OSError:
        return b""


def _of_image(found: Sequence[Kernel], image: bytes) -> Iterator[Kernel]:
    """Yield the kernels that an image may be: a boot loader counts paths from a filesystem of its own."""
    name = os.path.basename(image)
    unique = [kernel for kernel in found if os.path.basename(kernel.image) == name]
    if len(unique) > 1:  # MACHINE-ID/RELEASE/linux
        unique = [kernel for kernel in unique if kernel.image.endswith(image)]
    yield from unique


# GRUB


def _by_grub(root: int, config: bytes, env: Mapping[bytes, bytes]) -> Entry | None:
    menu = _menu(config)
    if _BLSCFG.search(config):
        menu = [*_specified(root, b"boot"), *menu]
    wanted = env.get(b"next_entry") or _default(config, env)
    return None if wanted is None else _find(menu, wanted)


def _default(config: bytes, env: Mapping[bytes, bytes]) -> bytes | None:
    """Return what the menu begins with; None: a script decides that."""
    for value in _DEFAULT.findall(config):
        if value == b"${next_entry}":
            continue
        variable = _VARIABLE.fullmatch(value)
        if variable is not None:
            return env.get(variable[1], b"0") or b"0"
        return None if b"$" in value else value
    return b"0"


def _menu(config: bytes) -> list[Entry]:
    """Return the entries of a grub.cfg."""
    top: list[Entry] = []
    open_blocks: list[Entry | None] = []  # None: a function
    for line in config.splitlines():
        head = _HEAD.match(line)
        around = next((one for one in reversed(open_blocks) if one is not None), None)
        if head is not None:
            names = (_unquoted(head[2]), *_ID.findall(head[3])[:1])
            entry = Entry(names, inner=[] if head[1] == b"submenu" else None)
            (top if around is None or around.inner is None else around.inner).append(entry)
            open_blocks.append(entry)
        elif line.strip() == b"}":
            if open_blocks:
                open_blocks.pop()
        elif line.rstrip().endswith(b"{"):
            open_blocks.append(None)
        elif around is not None and not around.image and (linux := _LINUX.match(line)):
            around.image = linux[1]
    return top


def _unquoted(word: bytes) -> bytes:
    if word[:1] in (b"'", b'"'):
        return word[1:-1].replace(rb"'\''", b"'")
    return word


def _find(menu: Sequence[Entry], wanted: bytes) -> Entry | None:
    """Return the entry that a word of GRUB means: a number, a title or an id, with > between levels.

    What it does not find is the first, as in GRUB; a submenu is none.
    """
    level = list(menu)
    entry: Entry | None = None
    for word in wanted.split(b">"):
        named = [one for one in level if word in one.names]
        if named:
            entry = named[0]
        elif level:
            entry = level[int(word)] if word.isdigit() and int(word) < len(level) else level[0]
        else:
            return None
        level = entry.inner or []
    return entry if entry is not None and entry.inner is None else None


# The Boot Loader Specification


def _specified(root: int, esp: bytes) -> list[Entry]:
    """Return the entries in loader/entries, the newest version first."""
    entries = []
    try:
        names = openat2.names(root, esp + b"/loader/entries")
    except OSError:
        return []
    for name in names:
        fields = dict(_LINE.findall(_read(root, b"%s/loader/entries/%s" % (esp, name))))
        image = fields.get(b"linux") or fields.get(b"efi")
        if name.endswith(b".conf") and image is not None and b"-impermanence-" not in name:
            entries.append(Entry((name.removesuffix(b".conf"), name), image))
    return sorted(entries, key=lambda entry: kernels.age(entry.names[0]), reverse=True)


def _by_pattern(config: bytes, entries: Sequence[Entry]) -> Entry | None:
    """Return the entry that loader.conf names, by a pattern; None: it names none that is there."""
    for key, pattern in _LINE.findall(config):
        if key == b"default":
            for entry in entries:
                if any(fnmatch.fnmatchcase(os.fsdecode(name), os.fsdecode(pattern)) for name in entry.names):
                    return entry
    return None
