# The unit of the hook.  Its lines are those of ../initrd/dracut/impermanence-rollback.service, and the device.
{
  program,
  record,
  deviceUnit,
}:

{
  description = "Put the ephemeral volumes back to their blanks";
  wants = [
    "local-fs-pre.target"
    deviceUnit
  ];
  after = [
    "local-fs-pre.target"
    "initrd-root-device.target"
    "dracut-initqueue.service"
    "systemd-hibernate-resume.service"
    # initrd-root-device.target alone does not wait for every kind of device.
    deviceUnit
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
    # The program takes no link for a record, and in /etc of such an initrd there are links alone.
    ExecStart = "${program} --record ${record}";
    StandardInput = "null";
    StandardOutput = "journal";
    StandardError = "journal";
  };
}
