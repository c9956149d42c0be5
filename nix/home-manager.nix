# services.impermanenced in a home: what of it persists, and whether the desktop says what the next boot would lose.
{
  config,
  lib,
  osConfig ? null,
  pkgs,
  ...
}:

let
  cfg = config.services.impermanenced;
  unit = "${cfg.package}/lib/systemd/user/impermanence-notify.service";
in
{
  options.services.impermanenced = {
    notify = lib.mkEnableOption "what says on the desktop what the next boot would lose";

    persist = lib.mkOption {
      type = import ./module/declarations.nix {
        inherit lib;
        home = true;
      };
      default = { };
      example = lib.literalExpression ''{ "/persist".directories = [ ".ssh" "Documents" ]; }'';
      description = "What persists of this home, by the path of the persist volume; the module of NixOS makes the mounts.";
    };

    package = lib.mkOption {
      type = lib.types.package;
      default = osConfig.services.impermanenced.package or pkgs.impermanenced or (pkgs.callPackage ./package.nix { });
      defaultText = lib.literalMD "that of the system, or `pkgs.impermanenced`";
      description = "The package of impermanenced.";
    };
  };

  config = lib.mkIf cfg.notify {
    xdg.configFile = {
      "systemd/user/impermanence-notify.service".source = unit;
      "systemd/user/graphical-session.target.wants/impermanence-notify.service".source = unit;
    };
  };
}
