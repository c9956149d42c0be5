#!/bin/sh
# dracut without systemd sources this; the program says itself what went wrong.
/usr/lib/impermanence/impermanence-rollback --early --sysroot "${NEWROOT:-/sysroot}"
