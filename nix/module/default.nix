# services.impermanenced: the daemon, the command, and the configuration of both.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.impermanenced;
  toml = pkgs.formats.toml { };
  file = toml.generate "config.toml" cfg.finalSettings;
in
{
  imports = [
    ./assertions.nix
    ./declared.nix
    ./persist.nix
    ./rollback.nix
    ./settings.nix
  ];

  options.services.impermanenced = {
    enable = lib.mkEnableOption "the daemon and the command that say what the next boot would lose";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.impermanenced or (pkgs.callPackage ../package.nix { });
      defaultText = lib.literalExpression "pkgs.impermanenced";
      description = "The package of impermanenced.";
    };

    notify = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether the desktop of every user says what the next boot would lose.";
    };

    prune = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = ''
        Whether old roots are pruned every day, as far as {option}`services.impermanenced.settings.archive` does not keep them.
      '';
    };

    finalSettings = lib.mkOption {
      type = toml.type;
      internal = true;
      readOnly = true;
      description = "The whole configuration, as config.toml gets it.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.impermanenced.finalSettings = lib.foldl' lib.recursiveUpdate { } (
      [ cfg.definedSettings ]
      ++ lib.optional cfg.rollback.enable cfg.rollback.configured
      ++ lib.optional (cfg.declared != { }) { persist = cfg.declared; }
    );

    # The same text as `make demo` and Debian have, read by the program itself before it gets into a system.
    environment.etc."impermanence/config.toml".source = file;
    system.checks = [
      (pkgs.runCommand "impermanence-config-check"
        { nativeBuildInputs = [ (pkgs.python3.withPackages (_: [ (pkgs.python3Packages.toPythonModule cfg.package) ])) ]; }
        ''
          python3 -I ${../check-config.py} ${file}
          touch "$out"
        ''
      )
    ];

    # Actions of polkit, manual pages and interfaces of D-Bus are found by way of the system's own path.
    environment.systemPackages = [ cfg.package ];
    services.dbus.packages = [ cfg.package ];
    systemd.packages = [ cfg.package ];

    # [Install] and presets of packaged units mean nothing here.
    systemd.services = {
      impermanenced = {
        wantedBy = [ "multi-user.target" ];
        # /etc/impermanence leads through a link that a switch replaces, so nothing in it changes.
        reloadTriggers = [ file ];
      };
      impermanence-alert = {
        wantedBy = [ "multi-user.target" ];
        # It looks back at how this boot began.
        restartIfChanged = false;
      };
      impermanence-boot-good = {
        wantedBy = [ "multi-user.target" ];
        restartIfChanged = false;
      };
      impermanence-prune.restartIfChanged = false;
    };
    systemd.timers.impermanence-prune.wantedBy = lib.mkIf cfg.prune [ "timers.target" ];
    systemd.user.services.impermanence-notify.wantedBy = lib.mkIf cfg.notify [ "graphical-session.target" ];

    # journalctl knows two directories: one in its own package, and this one.
    systemd.tmpfiles.settings.impermanenced."/usr/local/lib/systemd/catalog/impermanence.catalog"."L+".argument =
      "${cfg.package}/lib/systemd/catalog/impermanence.catalog";
    systemd.services.systemd-journal-catalog-update.after = [ "systemd-tmpfiles-setup.service" ];
  };
}
