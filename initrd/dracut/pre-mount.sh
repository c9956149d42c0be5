#!/bin/sh
# dracut without systemd sources this; the program says itself what went wrong.
# What dracut will mount, whether the kernel command line or its own configuration says so.
# shellcheck disable=SC2154 # root and rflags are dracut's
read -r impermanence_line </proc/cmdline
echo "$impermanence_line root=$root rootflags=$rflags" >/run/impermanence-cmdline
/usr/lib/impermanence/impermanence-rollback --sysroot "${NEWROOT:-/sysroot}" --cmdline /run/impermanence-cmdline ||
    emergency_shell 'impermanence: stopped, as its configuration says; exit goes on with the previous root'
