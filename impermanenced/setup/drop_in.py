"""The drop-in of the configuration that a set-up writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..text import to_text
from . import presets
from .facts import Kept

DROP_IN = b"/etc/impermanence/config.d/10-setup.toml"


def content(kept: Iterable[Kept], without: Iterable[bytes], persist: bytes, *, trial: bool) -> bytes:
    """Return the file; `without` are places of presets that are not to be declared."""
    found = list(kept)
    lines = ["# Written by impermanence setup; setup --remove takes it away."]
    if trial:
        lines += [
            "",
            "[rollback]",
            "wipe = false  # a trial; to end it, remove this line and run: impermanence setup",
        ]
    lines += ["", f"[persist.{_string(persist)}]"]
    if names := presets.names_of(found):
        lines.append(f"preset = [{', '.join(map(_string, names))}]")
        if left := [_string(path) for path in without]:
            lines.append(f"without = [{', '.join(left)}]")
    for key, directory in (("directories", True), ("files", False)):
        entries = list(_entries(one for one in found if one.directory == directory and not one.preset))
        if entries:
            lines += [f"{key} = [", *entries, "]"]
    return "".join(f"{line}\n" for line in lines).encode()


def _entries(kept: Iterable[Kept]) -> Iterator[str]:
    for one in kept:
        yield f"  {_string(one.path)},  # {one.why}"


def _string(word: bytes | str) -> str:
    text = (word if isinstance(word, str) else to_text(word)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
