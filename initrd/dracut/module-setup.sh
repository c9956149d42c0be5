#!/bin/bash
# dracut: the program, as a unit or, without systemd, before the root is mounted.
# shellcheck disable=SC2154 # the variables of dracut

check() {
    require_binaries /usr/lib/impermanence/impermanence-rollback || return 1
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
    local program=/usr/lib/impermanence/impermanence-rollback
    inst_binary "$program" "$program"
    # A copy of the record goes before the one on the disk.
    [[ -f $dracutsysrootdir/etc/impermanence/rollback.env ]] && inst_simple /etc/impermanence/rollback.env
    if ! dracut_module_included systemd; then
        inst_hook pre-mount 50 "$moddir/pre-mount.sh"
        inst_hook pre-pivot 20 "$moddir/pre-pivot.sh"
        return 0
    fi
    # For the generator.
    inst_multiple sh mkdir systemd-escape
    inst_script "$moddir/device-generator.sh" "$systemdutildir/system-generators/impermanence-device-generator"
    inst_simple "$moddir/impermanence-rollback.service" "$systemdsystemunitdir/impermanence-rollback.service"
    inst_simple "$moddir/impermanence-early.service" "$systemdsystemunitdir/impermanence-early.service"
    inst_simple "$moddir/before-rollback.conf" \
        "$systemdsystemunitdir/systemd-hibernate-resume@.service.d/before-rollback.conf"
    # systemctl would not: sysroot.mount is made by a generator, at boot.
    mkdir -p "$initdir/$systemdsystemunitdir/sysroot.mount.requires"
    ln -s ../impermanence-rollback.service "$initdir/$systemdsystemunitdir/sysroot.mount.requires/"
    $SYSTEMCTL -q --root "$initdir" add-wants initrd-root-fs.target impermanence-rollback.service
    $SYSTEMCTL -q --root "$initdir" add-wants initrd.target impermanence-early.service
}
