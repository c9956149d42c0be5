"""The compiled form of a plan: mount units, lines of tmpfiles.d(5), and the list of what the initrd does.

Hard facts
    systemd orders a bind mount after the mounts of its source and of the directory around its place, by
    itself.
    Local filesystems that are wanted, and not required, let the boot go on when they fail.
    systemd-tmpfiles applies a mode or an owner behind a colon only to what it creates.  Of two lines for one
    path in its own directories the first counts, with a warning; so these lines lie elsewhere, and a unit
    names them.
    systemd-tmpfiles-setup.service comes after the local filesystems, and a mount point has to be there
    before.
    On a first boot PID 1 writes "uninitialized" to /etc/machine-id and mounts the new id over it;
    systemd-machine-id-commit.service writes the id beneath that mount, which then is the mount of the
    source.  On later boots it would find that same mount, and fail.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from ..boots.records.keyvalue import escape
from ..config.placement import SYNC
from ..lazy import regex
from ..paths import ancestors
from ..system.systemd_text import argument, unit_name, unspeakable, value, word
from ..text import to_text
from .plan import MACHINE_ID, Kept, Kind, Made, Mounting, Plan

TARGET = "impermanence.target"
PLACES = "impermanence-places.service"
LINES = "impermanence.conf"  # of tmpfiles.d
HANDED = "/run/impermanence/tmpfiles.d"  # where the initrd puts them
SYNC_PATH = "impermanence-sync.path"
SYNC_SERVICE, SYNC_LAST = "impermanence-sync.service", "impermanence-sync-last.service"  # of the package
EARLY, MANIFEST = "early", "manifest"

HEAD = "# Made by impermanence apply from the declarations of impermanence-config(5).\n"
_MOUNT = regex(rb"^What=(.*)\nWhere=(.*)$", re.MULTILINE)
_LETTERS: Mapping[Kind, str] = {Kind.DIRECTORY: "d", Kind.FILE: "f"}
_FLAGS = frozenset(("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"))  # that the initrd knows


def compiled(plan: Plan, *, lines: str = HANDED) -> dict[str, bytes]:
    """Return the files by their paths in the compiled set, without its manifest.

    `lines` is the directory in which the running system finds the lines of tmpfiles.d.  For no declaration
    there is a target that wants nothing, which goes before one that an older root may have.
    """
    if not plan.kept and not plan.given:
        return {f"units/{TARGET}": _target([]).encode()}
    mounts = plan.mounts
    files = {f"units/{unit_name(mount.path)}": _mount_unit(mount) for mount in mounts if _has_unit(mount)}
    names = sorted(name.removeprefix("units/") for name in files)
    copies = [one.placement.declaration.path for one in plan.kept if one.method == SYNC]
    files |= _sync_units(copies) if copies else {}
    files |= {
        f"units/{TARGET}": _target([PLACES, *names, *([SYNC_PATH, SYNC_LAST] if copies else [])]),
        f"units/{PLACES}": _places(plan, names, lines),
        f"tmpfiles/{LINES}": HEAD + "".join(_line(made) for made in plan.made if _speakable(made)),
    }
    if any(mount.path == MACHINE_ID for mount in mounts):
        files["units/systemd-machine-id-commit.service.d/impermanence.conf"] = (
            f"{HEAD}[Unit]\nConditionFirstBoot=yes\n"
        )
    if early := _early(plan):
        files[EARLY] = early
    return {path: text.encode() for path, text in sorted(files.items())}


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the list of the files with their digests, by which the initrd knows that nothing is missing."""
    lines = ["VERSION=1\n"]
    for path, content in sorted(files.items()):
        lines.append(f"FILE={escape(path.encode()).decode()}\nSUM={hashlib.sha256(content).hexdigest()}\n")
    return "".join(lines).encode()


def _has_unit(mount: Mounting) -> bool:
    """Return whether systemd can mount it as well, should the initrd not have done so."""
    return unspeakable(mount.path) is None and unspeakable(mount.source) is None


def _speakable(made: Made) -> bool:
    return unspeakable(made.path) is None and unspeakable(made.target) is None


def mounts_of(files: Mapping[str, bytes]) -> dict[bytes, bytes]:
    """Return what a compiled set mounts: the path of each mount, and its source."""
    found = {}
    for name, content in files.items():
        if name.endswith(".mount") and (match := _MOUNT.search(content)) is not None:
            source, path = (word.replace(b"%%", b"%") for word in match.groups())
            found[path] = source
    return found


# Units


def _mount_unit(mount: Mounting) -> str:
    path, source = value(mount.path), value(mount.source)
    # What PID 1 itself needs stays until the very end.
    last = () if mount.early else ("Conflicts=umount.target\n",)
    before = "local-fs.target" if mount.early else "local-fs.target umount.target"
    waits = (f"ConditionDirectoryNotEmpty=!{path}\n",) if mount.waits and mount.directory else ()
    empty = (f"ConditionFileNotEmpty=!{path}\n",) if mount.waits and not mount.directory else ()
    kept = f"kept in {value(mount.store)}" if mount.store else "empty at each boot"
    options = ",".join(("bind", *(option.replace("%", "%%") for option in mount.options)))
    return (
        f"{HEAD}# {to_text(mount.by.encode())}\n"
        f"[Unit]\nDescription={path}, {kept}\n"
        "Documentation=man:impermanence-config(5)\nDefaultDependencies=no\n"
        f"Wants={PLACES}\nAfter={PLACES}\nBefore={before}\n"
        f"{''.join((*last, *waits, *empty))}"
        f"\n[Mount]\nWhat={source}\nWhere={path}\nType=none\nOptions={options}\n"
    )


def _sync_units(copies: list[bytes]) -> dict[str, str]:
    """Return the unit that has copies copied back after each change."""
    changed = "".join(f"PathChanged={value(path)}\n" for path in copies)
    return {
        f"units/{SYNC_PATH}": (
            f"{HEAD}[Unit]\nDescription=Changes of files that are copied back\n"
            f"Documentation=man:impermanence(1)\n\n[Path]\n{changed}Unit={SYNC_SERVICE}\n"
        )
    }


def _target(names: list[str]) -> str:
    wants = "".join(f"Wants={name}\n" for name in names)
    return (
        f"{HEAD}[Unit]\nDescription=What persists\nDocumentation=man:impermanence-config(5)\n"
        f"DefaultDependencies=no\nBefore=local-fs.target\n{wants}"
        "\n[Install]\nWantedBy=local-fs.target\n"
    )


def _places(plan: Plan, names: list[str], lines: str) -> str:
    """Return the unit that creates sources and mount points, before anything is mounted there."""
    needed: dict[bytes, None] = {}
    for one in plan.kept:
        needed[one.placement.declaration.persist] = None
        for place in _places_of(one):
            for above in ancestors(place)[:1]:
                if unspeakable(above) is None:
                    needed[above] = None
    for made in plan.given:
        for place in filter(None, (made.path, made.target)):
            for above in ancestors(place)[:1]:
                needed[above] = None
    requires = "".join(f"RequiresMountsFor={word(path)}\n" for path in sorted(needed))
    before = "".join(f"Before={name}\n" for name in names)
    return (
        f"{HEAD}[Unit]\nDescription=Create what persists where it is missing\n"
        f"Documentation=man:impermanence-config(5)\nDefaultDependencies=no\n{requires}"
        f"{before}Before=local-fs.target\n"
        "\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        f"ExecStart=systemd-tmpfiles --create {lines}/{LINES}\n"
        # As systemd's own: one line that cannot be done is no failure of the others.
        "SuccessExitStatus=DATAERR CANTCREAT\n"
    )


def _places_of(one: Kept) -> Iterator[bytes]:
    for mount in one.mounts:
        yield mount.place
    if not one.mounts:
        yield one.made[-1].path


def _line(made: Made) -> str:
    owner = made.owner
    who = f":{owner.uid} :{owner.gid}"
    if made.kind is Kind.COPY:  # with owner and mode of what it is a copy of
        return f"C {word(made.path)} - - - - {argument(made.target)}\n"
    if made.kind is Kind.GIVEN:
        return f"C {word(made.path)} :{owner.mode:04o} {who} - {argument(made.target)}\n"
    if made.kind is Kind.LINK:
        return f"L {word(made.path)} - {who} - {argument(made.target)}\n"
    content = made.content.decode().removesuffix("\n") or "-"
    return f"{_LETTERS[made.kind]} {word(made.path)} :{owner.mode:04o} {who} - {content}\n"


# The list of the initrd


def _early(plan: Plan) -> str:
    kept = [
        one for one in plan.kept if one.early and one.placement.declaration.persist in (plan.facts.tops or {})
    ]
    if not kept:
        return ""
    found: dict[bytes, str] = {}
    for one in kept:
        persist = one.placement.declaration.persist
        for made in one.made:
            if not made.path.startswith(persist + b"/") and made.kind is Kind.DIRECTORY:
                found.setdefault(made.path, _early_place(made.path, made))
        found[one.placement.declaration.path] = _early_entry(one, plan)
    lines = "".join(found[path] for path in sorted(found, key=lambda path: path.count(b"/")))
    return f"VERSION=1\nFSID={plan.facts.filesystem}\n{lines}"


def _early_place(path: bytes, made: Made) -> str:
    owner = made.owner
    head = f"PLACE={_escaped(path)}\nKIND={made.kind}\n"
    return f"{head}MODE={owner.mode:04o}\nOWNER={owner.uid}\nGROUP={owner.gid}\n"


def _early_entry(one: Kept, plan: Plan) -> str:
    made = (
        one.made[-1]
        if not one.mounts
        else next(made for made in one.made if made.path == one.mounts[0].place)
    )
    head = _early_place(one.placement.declaration.path, made)
    if not one.mounts:
        return f"{head}TARGET={_escaped(one.source)}\n"
    top = (plan.facts.tops or {})[one.placement.declaration.persist]
    source = top + one.placement.declaration.path if top else one.placement.declaration.path[1:]
    flags = ",".join(option for option in one.mounts[0].options if option in _FLAGS)
    return f"{head}SOURCE={_escaped(source)}\n" + (f"OPTIONS={flags}\n" if flags else "")


def _escaped(path: bytes) -> str:
    return escape(path).decode()
