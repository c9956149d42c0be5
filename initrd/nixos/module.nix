# NixOS: the hook as a unit of the systemd initrd.  Its lines are those of ../dracut/impermanence-rollback.service.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.impermanence.rollback;
  core = "/usr/lib/impermanence";
  root = config.fileSystems."/";
  device = "${utils.escapeSystemdPath cfg.device}.device";

  # What rollback.env takes as it is, without escapes.
  path = lib.types.strMatching "[A-Za-z0-9@_+:,=.][A-Za-z0-9@_+:,=./-]*";
  uuid = lib.types.strMatching "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
  yesNo = value: if value then "yes" else "no";
  line = key: value: "${key}=${value}\n";
  lineUnlessNull = key: value: if value == null then "" else line key value;

  record = lib.concatStrings (
    [
      (line "VERSION" "1")
      (line "DEVICE" cfg.device)
      (line "ARCHIVE" cfg.archive)
      (line "WIPE" (yesNo cfg.wipe))
      (line "ON_FAILURE" cfg.onFailure)
      (line "ON_MISSING_BLANK" cfg.onMissingBlank)
    ]
    ++ map volume cfg.volumes
  );
  volume =
    volume:
    line "VOLUME" volume.name
    + line "SUBVOLUME" volume.subvolume
    + line "BLANK" (if volume.blank == null then "" else volume.blank)
    + lineUnlessNull "BLANK_UUID" volume.blankUuid
    + lib.concatMapStrings (line "REQUIRE") volume.require;

  program = pkgs.runCommandCC "impermanence-rollback" { } ''
    $CC -std=gnu17 -O2 -Wall -o $out ${../rollback}/*.c
  '';
in
{
  options.impermanence.rollback = {
    enable = lib.mkEnableOption "the rollback of ephemeral BTRFS volumes in the initrd";
    device = lib.mkOption {
      type = lib.types.strMatching "/dev/[A-Za-z0-9@_+:,=./-]+";
      default = root.device;
      defaultText = lib.literalExpression ''config.fileSystems."/".device'';
      description = "The filesystem that holds the volumes.";
    };
    archive = lib.mkOption {
      type = path;
      default = "old_roots";
      description = "Directory of the old roots, from the top level.";
    };
    wipe = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "False is a trial: everything is recorded and nothing is wiped.";
    };
    onFailure = lib.mkOption {
      type = lib.types.enum [
        "keep"
        "stop"
      ];
      default = "keep";
      description = "Boot the previous root when the rollback fails, or stop in the emergency shell.";
    };
    onMissingBlank = lib.mkOption {
      type = lib.types.enum [
        "keep"
        "create-empty"
        "stop"
      ];
      default = "keep";
      description = "What to do when a blank is missing or another one than recorded.";
    };
    volumes = lib.mkOption {
      default = [ { name = "root"; } ];
      description = "The volumes that are rolled back, all or none.  The first one's old roots have no suffix.";
      type = lib.types.listOf (
        lib.types.submodule (
          { config, ... }:
          {
            options = {
              name = lib.mkOption {
                type = lib.types.strMatching "[A-Za-z0-9_@][A-Za-z0-9_@.-]{0,63}";
                description = "What reports and the archive call it.";
              };
              subvolume = lib.mkOption {
                type = path;
                default = config.name;
                description = "Its path from the top level.";
              };
              blank = lib.mkOption {
                type = lib.types.nullOr path;
                default = null;
                description = "The read-only snapshot it is put back to; null: an empty subvolume is made.";
              };
              blankUuid = lib.mkOption {
                type = lib.types.nullOr uuid;
                default = null;
                description = "Another subvolume of that name is refused.";
              };
              require = lib.mkOption {
                type = lib.types.listOf (lib.types.strMatching "/[A-Za-z0-9@_+:,=./-]*");
                default = [ ];
                description = "Paths that the blank must hold to be booted.";
              };
            };
          }
        )
      );
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = config.boot.initrd.systemd.enable;
        message = "impermanence.rollback needs boot.initrd.systemd.enable.";
      }
      {
        assertion = !(builtins.any (lib.hasPrefix "subvolid=") root.options);
        message = "impermanence.rollback: the root has to be mounted with subvol=, by its name; by subvolid= the old one would boot.";
      }
    ];

    boot.initrd.supportedFilesystems = [ "btrfs" ];

    boot.initrd.systemd = {
      contents = {
        "/etc/impermanence/rollback.env".text = record;
        "${core}/impermanence-rollback".source = program;
      };

      services.impermanence-rollback = {
        description = "Put the ephemeral volumes back to their blanks";
        wants = [
          "local-fs-pre.target"
          device
        ];
        after = [
          "local-fs-pre.target"
          "initrd-root-device.target"
          "dracut-initqueue.service"
          "systemd-hibernate-resume.service"
          # initrd-root-device.target alone does not wait for every kind of device.
          device
        ];
        before = [
          "sysroot.mount"
          "systemd-fsck-root.service"
          "initrd-root-fs.target"
        ];
        requiredBy = [ "sysroot.mount" ];
        wantedBy = [ "initrd-root-fs.target" ];
        onFailure = [ "emergency.target" ];
        unitConfig = {
          DefaultDependencies = "no";
          AssertPathExists = "/etc/initrd-release";
          OnFailureJobMode = "replace-irreversibly";
        };
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = "yes";
          ExecStart = "${core}/impermanence-rollback";
          StandardInput = "null";
          StandardOutput = "journal";
          StandardError = "journal";
        };
      };
    };
  };
}
