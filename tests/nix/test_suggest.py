"""Each format of `suggest` is what a real NixOS takes, with the module that it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.reading import ARTICLE
from tests.unit.reports import entry
from tests.unit.suggest.test_options import CLOSED, populate
from tests.unit.suggest.written import ODD, suggestion

from .evaluation import evaluated, systems, tree

MACHINE = """{
  fileSystems."/" = { device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=root" ]; };
  fileSystems."/persist" = {
    device = "/dev/root_vg/root"; neededForBoot = true; fsType = "btrfs"; options = [ "subvol=persist" ];
  };
  fileSystems."/other" = {
    device = "/dev/root_vg/root"; neededForBoot = true; fsType = "btrfs"; options = [ "subvol=other" ];
  };
  users.users.talyz = { isNormalUser = true; };
  users.users.alice = { isNormalUser = true; group = "alice"; };
  users.users.bob = { isNormalUser = true; home = "/srv/bob"; };
  users.groups.alice = { };
  services.impermanenced.enable = true;
}"""

FOUND = """let found = ((SYSTEMS) [ MODULE ]).config; in {
  assertions = map (one: one.message) (builtins.filter (one: !one.assertion) found.assertions);
  mounts = map (one: one.where) (found.systemd.mounts ++ found.boot.initrd.systemd.mounts);
  rules = builtins.attrNames (found.systemd.tmpfiles.settings.preservation or { });
  modes = builtins.concatMap (one: map (kind: kind.mode) (builtins.attrValues one)) (
    builtins.attrValues (found.systemd.tmpfiles.settings.preservation or { })
  );
  persist = found.services.impermanenced.finalSettings.persist or { };
  toplevel = found.system.build.toplevel.drvPath;
}"""

NEEDED = {
    "impermanence": {"IMPERMANENCE": "nixos.nix"},
    "preservation": {"PRESERVATION": "module.nix"},
    "home-manager": {"IMPERMANENCE": "nixos.nix", "HOME_MANAGER": "nixos"},
}
# A home of home-manager needs that, whoever writes the rest.
HOMES = """{
  home-manager.users.talyz.home.stateVersion = "25.11";
  home-manager.users.alice.home.stateVersion = "25.11";
  home-manager.users.bob.home.stateVersion = "25.11";
}"""

LOST = ("/etc/adjtime", "/srv/bob/notes.txt", "/home/alice/.config/fish/config.fish")


def system(module: str, format: str) -> Any:
    places = " ".join(f"{tree(variable)}/{place}" for variable, place in NEEDED[format].items())
    homes = HOMES if format == "home-manager" else "{ }"
    nixos = systems(f"{places} {MACHINE} {homes}")
    return evaluated(FOUND.replace("SYSTEMS", nixos).replace("MODULE", f"({module})"))


@pytest.mark.parametrize("text", [ARTICLE, ODD, CLOSED], ids=["article", "odd", "closed"])
@pytest.mark.parametrize("format", NEEDED)
def test_a_suggestion_is_taken(tmp_path: Path, format: str, text: str) -> None:
    populate(tmp_path / "root")
    lost = [entry(path) for path in LOST]
    found = system(suggestion(tmp_path, text, "--whole", "--format", format, entries=lost), format)
    assert found["assertions"] == []
    assert found["toplevel"].endswith(".drv")
    assert all(set(mode) <= set("01234567") for mode in found["modes"])
    if text == ARTICLE:
        assert "/home/talyz/.ssh" in found["mounts"]
    if text == ARTICLE and format == "preservation":
        assert "/persist/var/lib/colord" in found["rules"]
    # And ours reads it back from there.
    assert "/persist" in found["persist"]
