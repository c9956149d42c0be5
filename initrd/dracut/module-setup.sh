#!/bin/bash
# dracut: the hook with the programs it calls, as a unit or, without systemd, before the root is mounted.
# shellcheck disable=SC2154 # the variables of dracut

check() {
    require_binaries btrfs mount umount mv mkdir chmod cat dd tr wc sleep date uname || return 1
    [[ $hostonly ]] || return 0
    local fs
    for fs in "${host_fs_types[@]}"; do
        [[ $fs == btrfs ]] && return 0
    done
    return 255
}

depends() {
    echo btrfs
}

install() {
    local core=/usr/lib/impermanence
    inst_multiple sh btrfs mount umount mv mkdir chmod cat dd tr wc sleep date uname
    inst_multiple -o findfs
    inst_script "$core/impermanence-rollback" "$core/impermanence-rollback"
    [[ -x $dracutsysrootdir$core/volumes ]] && inst_binary "$core/volumes"
    # A copy of the record goes before the one on the disk.
    [[ -f $dracutsysrootdir/etc/impermanence/rollback.env ]] && inst_simple /etc/impermanence/rollback.env
    if ! dracut_module_included systemd; then
        inst_hook pre-mount 50 "$moddir/pre-mount.sh"
        return 0
    fi
    inst_multiple systemd-escape
    inst_script "$moddir/device-generator.sh" "$systemdutildir/system-generators/impermanence-device-generator"
    inst_simple "$moddir/impermanence-rollback.service" "$systemdsystemunitdir/impermanence-rollback.service"
    inst_simple "$moddir/before-rollback.conf" \
        "$systemdsystemunitdir/systemd-hibernate-resume@.service.d/before-rollback.conf"
    # systemctl would not: sysroot.mount is made by a generator, at boot.
    mkdir -p "$initdir/$systemdsystemunitdir/sysroot.mount.requires"
    ln -s ../impermanence-rollback.service "$initdir/$systemdsystemunitdir/sysroot.mount.requires/"
    $SYSTEMCTL -q --root "$initdir" add-wants initrd-root-fs.target impermanence-rollback.service
}
