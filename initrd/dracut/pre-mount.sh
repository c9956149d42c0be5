#!/bin/sh
# dracut without systemd sources this; the hook says itself what went wrong.
/usr/lib/impermanence/impermanence-rollback --sysroot "${NEWROOT:-/sysroot}" ||
    emergency_shell 'impermanence: stopped, as its configuration says; exit goes on with the previous root'
