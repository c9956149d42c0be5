{
  description = "Rolls back, watches and reports on impermanent Linux systems";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      forEach =
        make:
        lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (
          system: make nixpkgs.legacyPackages.${system} (self.packages.${system} or { })
        );
    in
    {
      packages = forEach (
        pkgs: _: rec {
          impermanence-rollback = pkgs.callPackage ./nix/rollback.nix { };
          impermanenced = pkgs.callPackage ./nix/package.nix { rollback = impermanence-rollback; };
          default = impermanenced;
        }
      );

      overlays.default = final: _: {
        impermanence-rollback = final.callPackage ./nix/rollback.nix { };
        impermanenced = final.callPackage ./nix/package.nix { rollback = final.impermanence-rollback; };
      };

      nixosModules.default = import ./nix/module;
      homeManagerModules.default = import ./nix/home-manager.nix;

      # A machine that boots three times.  It is evaluated by `make test-nix`; no build of it was ever run.
      checks = forEach (pkgs: _: { boots = pkgs.testers.runNixOSTest (import ./nix/vm-test.nix { module = ./nix/module; }); });

      formatter = forEach (pkgs: _: pkgs.nixfmt-tree);
    };
}
