# From a list of modules to an evaluated NixOS.
{ nixpkgs, common }:

let
  # A Nix that nixpkgs calls too old evaluates it all the same, if it does not ask.
  old = builtins.compareVersions builtins.nixVersion "2.18" < 0;
  pkgs = import (nixpkgs + "/pkgs/top-level/impure.nix") { system = "x86_64-linux"; };
in
modules:
import (nixpkgs + "/nixos/lib/eval-config.nix") {
  system = null;
  modules = common ++ modules ++ (if old then [ { nixpkgs = { inherit pkgs; }; } ] else [ ]);
}
