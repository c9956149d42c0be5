"""The remedies for a loss, as lines to read or to paste."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..boots import remedy
from ..config.placement import Placement
from ..errors import CommandError
from ..model import Advice, AdviceKind, Change, Entry, FileType, Report
from ..paths import within
from ..report.suggest import System, choose, item_of
from ..report.writing import writing_units
from ..system.services import Services, is_booted
from ..text import to_text
from . import paths

PERSIST = b"/persist"  # the persist volume of a machine that has none yet
REPLACED = (
    "programs put a new file in its place, so neither a mount nor a link holds: put it into the blank after "
    "each change (on NixOS: users.users and hashedPasswordFile)"
)
BRINGS_BACK = "the next boot brings it back: take a new blank without it"
HIDES = "copy it to what is mounted there: the mount lives on, what it hides does not"
RC2NIX = "nix run github:nix-community/plasma-manager > plasma.nix"


def _home_manager(argument: str) -> str:
    if argument == "programs":  # of no program that is known
        return "home-manager may make it: many programs have options below programs"
    return f"home-manager makes it: {argument}"


def _plasma_manager(argument: str) -> str:
    if argument == "rc2nix":
        return f"plasma-manager's rc2nix captures it:  {RC2NIX}"
    return f"plasma-manager makes it: {argument}"


def _stylix(argument: str) -> str:
    switch = f"{argument}.enable = true;" if argument.startswith("stylix.targets.") else argument
    return f"stylix makes it:  stylix.enable = true; {switch}"


_SAYS: Mapping[AdviceKind, Callable[[str], str]] = {
    AdviceKind.HOME_MANAGER: _home_manager,
    AdviceKind.PLASMA_MANAGER: _plasma_manager,
    AdviceKind.STYLIX: _stylix,
    AdviceKind.DOTFILE: "keep it among your dotfiles: {}".format,
    AdviceKind.STATE_DIRECTORY: "let systemd make and name it: StateDirectory={}".format,
    AdviceKind.DECLARE_PACKAGE: "declare {}, or repeat it in the blank:  impermanence update --same".format,
    AdviceKind.WITH_PACKAGE: "{} comes back with the packages that need it".format,
    AdviceKind.INTO_BLANK: lambda _: REPLACED,
    AdviceKind.BLANK: lambda _: BRINGS_BACK,
    AdviceKind.COPY: lambda _: HIDES,
    AdviceKind.FSTAB: "impermanence apply mounts it; by hand, in /etc/fstab:  {}".format,
    AdviceKind.TMPFILES: "impermanence apply links it; by hand, in a file of /etc/tmpfiles.d:  {}".format,
    AdviceKind.MODULE: "nixos-rebuild switch, with the module that mounts what is declared in {}".format,
}


def accounts(report: Report) -> System:
    """Return the accounts of the system that the volumes of a report belong to, which the caller closes."""
    native = all(volume.mountpoint == volume.path for volume in report.volumes)
    return System(functools.partial(paths.location, report), native=native)


def declaration(
    report: Report, path: bytes, persist: bytes, placements: Sequence[Placement] = ()
) -> Advice | None:
    """Return the declaration that `suggest` has for a path, as an advice, or None if it has none."""
    items = [item_of(entry) for entry in report.entries]
    with accounts(report) as system:
        found = choose(items, system, persist, placements, narrow=[path], logs=True, dotfiles=True)
    for one in found.wanted:
        if not one.declared and within(path, one.path):
            kind = AdviceKind.PERSIST_DIRECTORY if one.directory else AdviceKind.PERSIST_FILE
            return Advice(kind, to_text(one.path))
    return None


def with_declaration(entry: Entry, declared: Advice | None) -> Entry:
    """Return the entry with this declaration in the place of those that its advice has."""
    kinds = (AdviceKind.PERSIST_DIRECTORY, AdviceKind.PERSIST_FILE)
    if declared is None or not any(one.kind in kinds for one in entry.advice):
        return entry
    advice = dict.fromkeys(declared if one.kind in kinds else one for one in entry.advice)
    return entry._replace(advice=tuple(advice))


def stopping(report: Report, path: bytes) -> tuple[str, ...]:
    """Return those services among them that run now, and have to stop while the path is adopted."""
    try:
        return Services().running(sorted(writing_units(report, path))) if is_booted() else ()
    except CommandError:  # who has it open is named when it is tried
        return ()


def keeping(path: str, persist: str | None, stop: Sequence[str] = ()) -> str:
    """Return the command that keeps a path, while these units are stopped.

    `persist` is the persist volume where none is configured.
    """
    to = () if persist is None else ("--to", persist)
    return shlex.join(
        ("impermanence", "persist", *to, *(word for unit in stop for word in ("--stop", unit)), path)
    )


def lines(
    entry: Entry,
    *,
    persist: str | None,
    config: str | None,
    blank: bytes | None = None,
    stop: Sequence[str] = (),
) -> Iterator[str]:
    """Yield what can be done, the best first; `blank` is that of the volume, a path from the top level, and
    `stop` who writes there.

    In a `config` of another system than the running one a person declares by hand.
    """
    if entry.difference.change is Change.DELETED:
        yield BRINGS_BACK
        return
    if entry.hidden:
        yield HIDES
        return
    directory = entry.difference.type in (FileType.DIRECTORY, FileType.SUBVOLUME)
    by_itself = Advice(AdviceKind.PERSIST_DIRECTORY if directory else AdviceKind.PERSIST_FILE, "")
    own = to_text(entry.difference.path)
    for kind, argument in entry.advice or (by_itself,):
        match kind:
            case AdviceKind.PERSIST_DIRECTORY | AdviceKind.PERSIST_FILE:
                if config is None:
                    yield keeping(argument or own, persist, stop)
                    continue
                key = "directories" if kind is AdviceKind.PERSIST_DIRECTORY else "files"
                where = f'{key} below [persist."{persist}"] in {config}'
                yield f"add it to {where}" if argument in ("", own) else f"add {argument} to {where}"
            case AdviceKind.IGNORE:
                by_hand = f'add "{argument}" to ignore below [watch] in {config}'
                yield f"impermanence ignore {shlex.quote(argument)}" if config is None else by_hand
            case AdviceKind.INTO_BLANK:
                yield f"{REPLACED}:  {remedy.joined(into_blank(blank, argument))}"
            case AdviceKind.PUSH:
                yield f"git -C {shlex.quote(argument)} push"
            case _:
                yield elsewhere(kind, argument)


def into_blank(blank: bytes | None, path: str) -> tuple[str, ...]:
    """Return the commands that put a file of the running system into its blank."""
    place = shlex.quote(f"/mnt/{to_text(blank or b'BLANK')}{path}")
    return remedy.in_blank(None, blank or b"BLANK", f"cp -a {shlex.quote(path)} {place}")


def elsewhere(kind: AdviceKind, argument: str) -> str:
    """Return how something is kept that is not persisted."""
    return _SAYS[kind](argument)
