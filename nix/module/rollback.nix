# services.impermanenced.rollback: the hook as a unit of the systemd initrd, and the record that it obeys.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  inherit (lib) mkOption types;
  pure = import ../lib.nix { inherit lib; };
  cfg = config.services.impermanenced.rollback;

  fileSystem = mountpoint: config.fileSystems.${mountpoint} or null;
  root = fileSystem "/";
  deviceUnit = "${utils.escapeSystemdPath cfg.device}.device";

  known = {
    device = cfg.device;
    inherit (cfg)
      archive
      wipe
      onFailure
      onMissingBlank
      volumes
      ;
  };
  record = pkgs.writeText "rollback.env" (pure.record known);
  program = "${cfg.program}/lib/impermanence/impermanence-rollback";

  volume =
    { config, ... }:
    {
      options = {
        mountpoint = mkOption {
          type = types.str;
          default = "/";
          description = "Where the running system mounts it.";
        };
        name = mkOption {
          type = types.str;
          default = if config.mountpoint == "/" then "root" else lib.replaceStrings [ "/" ] [ "-" ] (pure.plain config.mountpoint);
          defaultText = lib.literalMD "`root` for `/`, else the mountpoint";
          description = "What reports and the archive call it.";
        };
        subvolume = mkOption {
          type = types.str;
          default =
            let
              found = fileSystem config.mountpoint;
              subvolume = if found == null then null else pure.subvolumeOf found.options;
            in
            if subvolume == null then "" else subvolume;
          defaultText = lib.literalMD "the `subvol=` of `fileSystems` for the mountpoint";
          apply = pure.plain;
          description = "Its path from the top level.";
        };
        blank = mkOption {
          type = types.nullOr types.str;
          default = null;
          apply = blank: if blank == null then null else pure.plain blank;
          description = "The read-only snapshot it is put back to; null: an empty subvolume is made.";
        };
        blankUuid = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "The UUID of the blank; another subvolume of that name is refused.";
        };
        require = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Paths that the blank must hold to be booted.";
        };
      };
    };
in
{
  options.services.impermanenced.rollback = {
    enable = lib.mkEnableOption "the rollback of ephemeral BTRFS volumes in the initrd";

    program = mkOption {
      type = types.package;
      default = pkgs.impermanence-rollback or (pkgs.callPackage ../rollback.nix { });
      defaultText = lib.literalExpression "pkgs.impermanence-rollback";
      description = "The package with the program of the initrd.";
    };
    device = mkOption {
      type = types.str;
      default = if root == null || root.device == null then "" else root.device;
      defaultText = lib.literalExpression ''config.fileSystems."/".device'';
      apply = pure.devicePath;
      description = "The filesystem that holds the volumes.";
    };
    archive = mkOption {
      type = types.str;
      default = "old_roots";
      apply = pure.plain;
      description = "Directory of the old roots, from the top level.";
    };
    wipe = mkOption {
      type = types.bool;
      default = true;
      description = "False is a trial: everything is recorded and nothing is wiped.";
    };
    onFailure = mkOption {
      type = types.enum [
        "keep"
        "stop"
      ];
      default = "keep";
      description = "Boot the previous root when the rollback fails, or stop in the emergency shell.";
    };
    onMissingBlank = mkOption {
      type = types.enum [
        "keep"
        "create-empty"
        "stop"
      ];
      default = "keep";
      description = "What to do when a blank is missing or another one than recorded.";
    };
    volumes = mkOption {
      type = types.listOf (types.submodule volume);
      default = [ { } ];
      description = "The volumes that are rolled back, all or none.  The first one's old roots have no suffix.";
    };

    configured = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = pure.configured known;
      description = "What config.toml says of the rollback: one source makes it and the record.";
    };
  };

  config = lib.mkIf cfg.enable {
    # The rollback needs the command that shows, keeps and prunes what it puts away.
    services.impermanenced.enable = lib.mkDefault true;

    system.checks = [
      (pkgs.runCommand "impermanence-rollback-check" { } ''
        ${program} --check rollback ${record} >"$out"
      '')
    ];

    # A file of its own and no link: the program reads it here too, to foretell the next boot.
    environment.etc."impermanence/rollback.env" = {
      mode = "0444";
      source = record;
    };

    boot.initrd.supportedFilesystems = [ "btrfs" ];
    boot.initrd.systemd = {
      contents = {
        # A link to the store's file, which goes along; by this name `impermanence doctor` sees that there is a record.
        "/etc/impermanence/rollback.env".source = record;
        "/usr/lib/impermanence/impermanence-rollback".source = program;
      };

      services.impermanence-rollback = import ../unit.nix {
        inherit deviceUnit;
        program = "/usr/lib/impermanence/impermanence-rollback";
        record = "${record}";
      };
    };
  };
}
