# What would lose data or leave a machine without its root, said before it is built.
{
  config,
  lib,
  utils,
  ...
}:

let
  inherit (lib)
    concatMap
    concatStringsSep
    filter
    hasInfix
    optional
    optionals
    ;
  pure = import ../lib.nix { inherit lib; };
  cfg = config.services.impermanenced;
  rollback = cfg.rollback;
  here = "services.impermanenced.rollback";

  fail = message: {
    assertion = false;
    message = pure.oneLine message;
  };
  fileSystem = mountpoint: config.fileSystems.${mountpoint} or null;
  root = fileSystem "/";
  isBtrfs = root != null && root.fsType == "btrfs";
  initrd = config.boot.initrd;

  # The machine

  stage1 = optional (!initrd.systemd.enable) (fail ''
    ${here} needs boot.initrd.systemd.enable = true: the hook is a unit of the systemd initrd, and scripted
    stage 1 does not run it.'');

  rootFault =
    if root == null then
      ''no fileSystems."/" is defined, so nothing is known of the root that is to be rolled back.''
    else if root.fsType == "tmpfs" then
      ''fileSystems."/" is a tmpfs, which is empty at each boot anyway: there is nothing to roll back.  Leave
        ${here}.enable out; services.impermanenced.enable alone needs a BTRFS root, too.''
    else if root.fsType != "btrfs" then
      ''fileSystems."/" is ${root.fsType}, and only subvolumes of BTRFS can be put back to a snapshot.''
    else if lib.any (lib.hasPrefix "subvolid=") (pure.mountWords root.options) then
      ''fileSystems."/" is mounted by subvolid=, which names the root that is put away: the old one would boot.
        Mount it by its name, with subvol=.''
    else if pure.subvolumeOf root.options == null then
      ''fileSystems."/" has no subvol= among its options, so the default subvolume boots, whichever that is.
        Add "subvol=root", or what your root is called.''
    else if pure.subvolumeOf root.options == "" then
      ''fileSystems."/" is the top level of its filesystem, which cannot be rolled back.  Make a subvolume for
        the root, and name it by subvol=.''
    else
      null;
  rootFaults = optional (rootFault != null) (fail "${here}: ${rootFault}");

  # The volumes

  value = option: text: fault: optional (fault != null) (fail ''${here}.${option}: "${text}": ${fault}.'');
  shown = builtins.replaceStrings [ "\n" "\r" "\t" ] [ "\\n" "\\r" "\\t" ];

  ofVolume =
    volume:
    let
      mounted = fileSystem volume.mountpoint;
      boots = if mounted == null then null else pure.subvolumeOf mounted.options;
      of = option: text: fault: value "volumes, of ${shown volume.mountpoint}, ${option}" (shown text) fault;
    in
    of "name" volume.name (pure.nameFault volume.name)
    ++ optionals (volume.subvolume != "") (of "subvolume" volume.subvolume (pure.pathFault volume.subvolume))
    ++ optionals (volume.blank != null) (of "blank" volume.blank (pure.pathFault volume.blank))
    ++ optionals (volume.blankUuid != null) (of "blankUuid" volume.blankUuid (pure.uuidFault volume.blankUuid))
    ++ concatMap (path: of "require" path (pure.requireFault path)) volume.require
    ++ optional (mounted == null) (fail ''
      ${here}.volumes: ${shown volume.mountpoint} is no mountpoint of fileSystems.  Name the one of the volume
      ${shown volume.name}: mountpoint = "/home", for example.'')
    ++ optional (mounted != null && volume.mountpoint != "/" && boots == null) (fail ''
      ${here}.volumes: fileSystems."${volume.mountpoint}" has no subvol= among its options.'')
    ++ optional (boots != null && boots != "" && volume.subvolume != boots) (fail ''
      ${here}.volumes: the subvolume of ${volume.mountpoint} is "${shown volume.subvolume}" here, but fileSystems
      mounts "${boots}" there.  A subvolume that nobody uses would be wiped for ever, and the real one never.
      Leave `subvolume' out: it is taken from fileSystems.'');

  deviceFault = pure.deviceFault rollback.device;
  deviceFaults = optional (isBtrfs && deviceFault != null) (fail ''
    ${here}.device: "${shown rollback.device}": ${deviceFault}.  Give the device another name that it has: such
    as /dev/disk/by-uuid/ and the UUID that blkid shows.'');
  archiveFaults = value "archive" (shown rollback.archive) (pure.pathFault rollback.archive);
  layoutFaults = map (fault: fail "${here}: ${fault}.") (
    if lib.any (volume: volume.subvolume == "") rollback.volumes then [ ] else pure.layoutFaults rollback.archive rollback.volumes
  );

  # Who else wipes

  # A script that only makes a subvolume is none.
  wipes = builtins.split "btrfs +su[a-z]* +[ds]|old_roots";
  mentions = text: builtins.length (wipes text) > 1;
  scripts =
    filter (name: mentions (initrd.${name} or ""))
      [
        "postDeviceCommands"
        "postMountCommands"
        "postResumeCommands"
        "preLVMCommands"
      ];
  units = lib.attrNames (
    lib.filterAttrs (
      name: unit: name != "impermanence-rollback" && (hasInfix "rollback" name || mentions (unit.script or ""))
    ) initrd.systemd.services
  );
  others = map (name: "boot.initrd.${name}") scripts ++ map (name: "boot.initrd.systemd.services.${name}") units;
  second = optional (others != [ ]) (fail ''
    ${here}: ${concatStringsSep " and " others} puts subvolumes away at boot, too.  Two hooks would wipe one root
    twice, and the second one the root that the first has made.  Remove the other one; docs/nixos-from-the-script.md says
    what each of its lines has become.'');

  stop = optional (rollback.onFailure == "stop" && initrd.systemd.emergencyAccess == false) (fail ''
    ${here}.onFailure = "stop" opens the emergency shell, which nobody may enter: set
    boot.initrd.systemd.emergencyAccess to true or to a hashed password, or leave onFailure = "keep".'');

  # One source

  taken =
    lib.optional (cfg.definedSettings ? volume) [ "volume" "rollback.volumes" ]
    ++ lib.optional (cfg.definedSettings ? rollback) [ "rollback" "rollback" ]
    ++ lib.optional (cfg.definedSettings.archive or { } ? directory) [ "archive.directory" "rollback.archive" ];
  sources = map (
    pair:
    fail ''
      services.impermanenced.settings.${lib.head pair}: say services.impermanenced.${lib.last pair}, of which both the
      configuration and the record inside the initrd are made.''
  ) (optionals rollback.enable taken);
  persisted = optional (cfg.definedSettings ? persist) (fail ''
    services.impermanenced.settings.persist: a declaration in config.toml keeps nothing by itself.  Say
    services.impermanenced.persist, which makes the mounts, too.'');
in
{
  config = lib.mkMerge [
    (lib.mkIf cfg.enable { assertions = sources ++ persisted; })
    (lib.mkIf rollback.enable {
      assertions =
        stage1
        ++ rootFaults
        ++ optionals (rootFault == null) (concatMap ofVolume rollback.volumes ++ layoutFaults)
        ++ deviceFaults
        ++ archiveFaults
        ++ second
        ++ stop;
    })
  ];
}
