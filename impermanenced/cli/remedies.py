"""What can be done about a loss, as lines to read or to paste."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

BRINGS_BACK = "the next boot brings it back: take a new blank without it"
HIDES = "copy it to what is mounted there: the mount lives on, what it hides does not"
RC2NIX = "nix run github:nix-community/plasma-manager > plasma.nix"


def _plasma_manager(argument: str) -> str:
    if argument == "rc2nix":
        return f"plasma-manager's rc2nix captures it:  {RC2NIX}"
    return f"plasma-manager makes it: {argument}"


def _stylix(argument: str) -> str:
    switch = f"{argument}.enable = true;" if argument.startswith("stylix.targets.") else argument
    return f"stylix makes it:  stylix.enable = true; {switch}"


_SAYS: Mapping[str, Callable[[str], str]] = {
    "home-manager": "home-manager makes it: {}".format,
    "plasma-manager": _plasma_manager,
    "stylix": _stylix,
    "dotfile": "keep it among your dotfiles: {}".format,
    "state-directory": "let systemd make and name it: StateDirectory={}".format,
    "declare-package": "declare the package {}, or install it into the blank".format,
    "with-package": "{} comes back with the packages that need it".format,
    "blank": lambda _: BRINGS_BACK,
    "copy": lambda _: HIDES,
}


def lines(entry: Mapping[str, Any], *, persist: str, config: str, commands: Collection[str]) -> Iterator[str]:
    """The best first.  `commands`: those that `impermanence` has."""
    if entry["change"] == "deleted":
        yield BRINGS_BACK
        return
    if entry.get("hidden"):
        yield HIDES
        return
    directory = entry["type"] in ("directory", "subvolume")
    by_itself = {"kind": "persist-directory" if directory else "persist-file", "argument": ""}
    for advice in entry.get("advice") or [by_itself]:
        kind, argument = advice["kind"], advice["argument"]
        if kind in ("persist-directory", "persist-file"):
            yield _persist(argument or entry["path"], entry, kind, persist, config, commands)
        elif kind == "ignore":
            yield f'add "{argument}" to ignore below [watch] in {config}'
        elif kind == "push":
            yield f"git -C {shlex.quote(argument)} push"
        elif kind in _SAYS:
            yield elsewhere(kind, argument)


def elsewhere(kind: str, argument: str) -> str:
    """How something is kept that is not persisted."""
    return _SAYS[kind](argument)


def _persist(
    path: str, entry: Mapping[str, Any], kind: str, persist: str, config: str, commands: Collection[str]
) -> str:
    if "persist" in commands:
        return f"impermanence persist {shlex.quote(path)}"
    where = (
        f'{"directories" if kind == "persist-directory" else "files"} below [persist."{persist}"] in {config}'
    )
    return f"add it to {where}" if path == entry["path"] else f"add {path} to {where}"
