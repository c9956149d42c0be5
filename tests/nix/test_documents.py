"""The examples of the documents are what NixOS takes: each block is evaluated as it stands."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .evaluation import ROOT, evaluated, systems, tree

DOCUMENTS = sorted((ROOT / "docs").glob("nixos*.md"))
BLOCK = re.compile(r"^```nix(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What the blocks of the first page leave to the reader.
USUAL = """{
  fileSystems."/" = lib.mkDefault {
    device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=root" ];
  };
  fileSystems."/persist" = lib.mkDefault {
    device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=persist" ]; neededForBoot = true;
  };
  users.users.talyz.isNormalUser = true;
  users.users.colord = { isSystemUser = true; group = "colord"; };
  users.groups.colord = { };
  fileSystems."/home" = { device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=home" ]; };
}"""


def blocks(kind: str) -> list[tuple[str, str]]:
    """Return (where, text) of the blocks of a kind."""
    found = []
    for document in DOCUMENTS:
        for match in BLOCK.finditer(document.read_text()):
            if (match[1] or "") == kind:
                line = document.read_text()[: match.start()].count("\n") + 1
                found.append((f"{document.name}:{line}", match[2]))
    return found


MODULES = [one for one in (*blocks(""), *blocks("after"), *blocks("machine")) if "outputs" not in one[1]]


def refusals(module: str) -> list[str]:
    asked = "map (one: one.message) (builtins.filter (one: !one.assertion) found.assertions)"
    usual = f"({{ lib, ... }}: {USUAL})"
    expression = f"let found = ({systems()} [ {usual} ({{ lib, pkgs, ... }}: {module}) ]).config; in {asked}"
    found: list[str] = evaluated(expression)
    return found


@pytest.mark.parametrize(("where", "module"), MODULES, ids=[where for where, _ in MODULES])
def test_a_block_is_a_module(where: str, module: str) -> None:
    assert refusals(module) == []


@pytest.mark.parametrize("page", ["impermanence", "preservation"])
def test_before_and_after_declare_the_same(page: str) -> None:
    place = tree(page.upper()) / {"impermanence": "nixos.nix", "preservation": "module.nix"}[page]
    named = f"nixos-from-{page}.md"
    before, after = (
        next(text for where, text in blocks(kind) if where.startswith(named)) for kind in ("before", "after")
    )
    asked = "found.services.impermanenced.finalSettings.persist"
    usual = f"({{ lib, ... }}: {USUAL})"
    told = []
    for modules in (f"{place} {before} {{ services.impermanenced.enable = true; }}", after):
        made = evaluated(f"let found = ({systems()} [ {usual} {modules} ]).config; in {asked}")
        told.append(paths(made["/persist"]))
    assert told[0] == told[1]
    assert len(told[0]) > 5


def paths(block: dict[str, Any]) -> set[tuple[str, str, bool, str]]:
    """Return (path, kind, hidden, method) of each declaration; owners and modes have other defaults."""
    found = set()
    for home, at in (("", block), *((user["home"], user) for user in block.get("users", {}).values())):
        for kind in ("directories", "files"):
            for one in at.get(kind, []):
                path = f"{home}/{one['path']}".replace("//", "/")
                found.add((path, kind, bool(one.get("hide-mount")), one.get("method", "bind")))
    return {(path, kind, False if kind == "files" else hidden, how) for path, kind, hidden, how in found}


def test_before_and_after_are_told_apart() -> None:
    """What the pages begin with is refused as soon as ours is enabled beside it."""
    script = next(text for where, text in blocks("before") if "from-the-script" in where)
    both = script.rstrip().removesuffix("}") + "services.impermanenced.rollback.enable = true; }"
    said = [message for message in refusals(both) if message.startswith("services.impermanenced")]
    assert len(said) == 1
    assert "boot.initrd.postDeviceCommands puts subvolumes away at boot, too" in said[0]
    named = re.search(r"docs/\S+\.md", said[0])
    assert named is not None
    assert (ROOT / named[0]).exists()
