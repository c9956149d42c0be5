#!/bin/sh
# A systemd generator: the hook waits for the device that it will mount.
# initrd-root-device.target alone does not wait for every kind of device.
set -u

directory=$1/impermanence-rollback.service.d
device=

take() {
    case $1 in
        /dev/*) device=$1 ;;
        UUID=*) device=/dev/disk/by-uuid/${1#*=} ;;
        PARTUUID=*) device=/dev/disk/by-partuuid/${1#*=} ;;
        # udev escapes what is not plain, and a unit that never comes would stop the boot.
        LABEL=*[!A-Za-z0-9._-]*) ;;
        LABEL=*) device=/dev/disk/by-label/${1#*=} ;;
    esac
}

while read -r line || [ -n "$line" ]; do
    set -f
    for word in $line; do
        case $word in
            root=*) take "${word#root=}" ;;
            impermanence=off) exit 0 ;;
        esac
    done
done </proc/cmdline

if [ -f /etc/impermanence/rollback.env ]; then
    while read -r line; do
        case $line in
            FSID=*) take "UUID=${line#*=}" ;;
            DEVICE=*) take "${line#*=}" && break ;;
        esac
    done </etc/impermanence/rollback.env
fi

[ -n "$device" ] && [ "$device" != /dev/root ] || exit 0
unit=$(systemd-escape --path --suffix=device "$device") || exit 0
mkdir -p "$directory"
printf '[Unit]\nWants=%s\nAfter=%s\n' "$unit" "$unit" >"$directory/device.conf"
