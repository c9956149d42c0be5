# What the module makes of one configuration.  Of nixpkgs' lib there is what its `config` part uses;
# merging, defaults and types are NixOS's own business.
module:
let
  lib = {
    mkIf = condition: value: if condition then value else { };
    concatStrings = builtins.concatStringsSep "";
    concatMapStrings = f: list: builtins.concatStringsSep "" (map f list);
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  };
  pkgs = {
    runCommandCC = name: attrs: script: "/${name}";
  };
  utils.escapeSystemdPath = path: "escaped:${path}";
  config = {
    boot.initrd.systemd.enable = true;
    fileSystems."/" = {
      device = "/dev/mapper/enc";
      options = [ "subvol=root" ];
    };
    impermanence.rollback = {
      enable = true;
      device = "/dev/mapper/enc";
      archive = "old_roots";
      wipe = true;
      onFailure = "keep";
      onMissingBlank = "create-empty";
      volumes = [
        {
          name = "root";
          subvolume = "@root";
          blank = "@root-blank";
          blankUuid = "01234567-89ab-cdef-0123-456789abcdef";
          require = [ "/etc" ];
        }
        {
          name = "home";
          subvolume = "@home";
          blank = null;
          blankUuid = null;
          require = [ ];
        }
      ];
    };
  };
  made = (import module { inherit config lib pkgs utils; }).config;
  systemd = made.boot.initrd.systemd;
in
{
  unit = systemd.services.impermanence-rollback;
  files = builtins.mapAttrs (_: content: content.text or (toString content.source)) systemd.contents;
  assertions = map (one: one.assertion) made.assertions;
}
