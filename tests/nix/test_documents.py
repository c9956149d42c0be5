"""The examples of the documents are what NixOS takes: each block is evaluated as it stands."""

from __future__ import annotations

import re

import pytest

from .evaluation import ROOT, evaluated, systems

DOCUMENTS = sorted((ROOT / "docs").glob("nixos*.md"))
BLOCK = re.compile(r"^```nix(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What the blocks of the first page leave to the reader.
USUAL = """{
  fileSystems."/" = lib.mkDefault {
    device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=root" ];
  };
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


MODULES = [one for one in (*blocks(""), *blocks("after")) if "outputs" not in one[1]]


def refusals(module: str) -> list[str]:
    asked = "map (one: one.message) (builtins.filter (one: !one.assertion) found.assertions)"
    usual = f"({{ lib, ... }}: {USUAL})"
    expression = f"let found = ({systems()} [ {usual} ({{ lib, pkgs, ... }}: {module}) ]).config; in {asked}"
    found: list[str] = evaluated(expression)
    return found


@pytest.mark.parametrize(("where", "module"), MODULES, ids=[where for where, _ in MODULES])
def test_a_block_is_a_module(where: str, module: str) -> None:
    assert refusals(module) == []


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
