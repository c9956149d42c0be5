"""The names by which the machine itself calls a program.

A rule's word and the component of a path are what others call it; the program's own desktop file or AppStream
file says how it is written.  Both come with packages, so they are read where packages put them, and nowhere
else.  A file that is a link, too large, or not what its format says gives no name.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence

from ...kernel import openat2
from ...lazy import regex
from ...text import to_text
from ..knowledge import component

# Where they lie, and the ends of their names: freedesktop.org's desktop entry and AppStream specifications.
_PLACES: Sequence[tuple[bytes, tuple[bytes, ...]]] = (
    (b"usr/local/share/applications", (b".desktop",)),
    (b"usr/share/applications", (b".desktop",)),
    (b"usr/share/metainfo", (b".metainfo.xml", b".appdata.xml")),
)
MOST = 5000  # files of one place
LARGEST = 64 << 10  # bytes that are read of one
LONGEST = 60  # characters of a name

_ENTRY, _KEY = b"[Desktop Entry]", b"Name"
_APPSTREAM = regex(rb"<name>([^<\n]{1,200})</name>")


class Names:
    """The names of programs, asked by the component that is called after each.  `root` is a descriptor of the
    system's root.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._index: dict[str, list[bytes]] | None = None
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return how the machine calls the program of a component, or the component."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = next(self._candidates(name), name)
        return found

    def of_unit(self, name: str, description: str) -> str:
        """Return how the machine calls the program of a unit: as its description, if that is a name of it."""
        said = to_text(os.fsencode(description))
        if len(said) <= LONGEST and component.akin(name, said):
            return said
        return self.of(name)

    def _candidates(self, name: str) -> Iterator[str]:
        if self._index is None:
            self._index = dict(self._indexed())
        for file in self._index.get(component.letters(name), ()):
            called = self._read(file)
            # A file may say anything; a name that is none of the component's is not shown for it.
            if called and component.akin(name, called):
                yield called

    def _indexed(self) -> Iterator[tuple[str, list[bytes]]]:
        found: dict[str, list[bytes]] = {}
        for place, endings in _PLACES:
            for name in itertools.islice(_listed(self._root, place), MOST):
                ending = next((one for one in endings if name.endswith(one)), None)
                if ending is not None:
                    key = component.letters(component.shown(name[: -len(ending)]))
                    found.setdefault(key, []).append(place + b"/" + name)
        yield from found.items()

    def _read(self, file: bytes) -> str:
        try:
            content = openat2.read(self._root, file, LARGEST + 1, owner=0)
        except OSError:
            return ""
        if len(content) > LARGEST:
            return ""
        raw = _of_entry(content) if file.endswith(b".desktop") else _of_component(content)
        text = to_text(raw.strip())
        return text if len(text) <= LONGEST else ""


def _of_entry(content: bytes) -> bytes:
    """Return the name that a desktop file gives in no particular language, or b""."""
    inside = False
    for line in content.split(b"\n"):
        key, _, value = line.partition(b"=")
        if line.startswith(b"["):
            inside = line.strip() == _ENTRY
        elif inside and key.strip() == _KEY:
            return value
    return b""


def _of_component(content: bytes) -> bytes:
    found = _APPSTREAM.search(content)
    return b"" if found is None else found[1]


def _listed(root: int, place: bytes) -> Iterator[bytes]:
    try:
        fd = openat2.open_directory(root, place, os.O_RDONLY)
    except OSError:
        return
    try:
        with os.scandir(fd) as entries:
            yield from sorted(os.fsencode(entry.name) for entry in itertools.islice(entries, MOST))
    finally:
        os.close(fd)
