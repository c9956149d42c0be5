# A machine whose root is wiped at each boot: what is undeclared goes, what is declared stays, and both are said.
{ module }:

{
  name = "impermanenced-boots";

  nodes.machine =
    { lib, pkgs, ... }:
    {
      imports = [ module ];

      virtualisation = {
        useDefaultFilesystems = false;
        rootDevice = "/dev/vda";
        fileSystems = {
          "/" = {
            device = "/dev/vda";
            fsType = "btrfs";
            options = [ "subvol=root" ];
          };
          "/persist" = {
            device = "/dev/vda";
            fsType = "btrfs";
            options = [ "subvol=persist" ];
            neededForBoot = true;
          };
        };
      };

      boot.initrd.systemd.enable = true;
      # The disk is empty at the first boot.
      boot.initrd.systemd.services.make-disk = {
        requiredBy = [ "impermanence-rollback.service" ];
        before = [ "impermanence-rollback.service" ];
        unitConfig.DefaultDependencies = false;
        serviceConfig.Type = "oneshot";
        path = [ pkgs.btrfs-progs ];
        script = ''
          btrfs filesystem show /dev/vda && exit 0
          mkfs.btrfs /dev/vda
          mkdir /top
          mount -t btrfs /dev/vda /top
          btrfs subvolume create /top/root
          btrfs subvolume create /top/persist
          umount /top
        '';
      };

      services.impermanenced = {
        enable = true;
        rollback = {
          enable = true;
          device = "/dev/vda";
        };
      };
    };

  testScript = ''
    machine.wait_for_unit("impermanenced.service")
    machine.succeed("grep ACTION=wiped /run/impermanence/rollback.env")
    machine.succeed("mkdir -p /var/lib/undeclared && echo kept >/persist/kept && echo gone >/var/lib/undeclared/file")
    machine.succeed("impermanence status | grep /var/lib/undeclared")
    machine.succeed("impermanence doctor")
    for boot in range(2):
        machine.shutdown()
        machine.wait_for_unit("impermanence-boot-good.service")
        machine.succeed("grep ACTION=wiped /run/impermanence/rollback.env")
        machine.fail("test -e /var/lib/undeclared")
        machine.succeed("grep kept /persist/kept")
        machine.succeed("impermanence boots | grep wiped")
  '';
}
