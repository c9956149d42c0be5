/* The mount unit of the root in an initrd with systemd, and the line of an fstab. */
#pragma once
#include <stdbool.h>

struct planned_mount {
	const char *what, *options;
};

/* sysroot.mount, with its drop-ins, as the systemd whose /run this is would read it. */
bool read_sysroot_unit(const char *run, struct planned_mount *mount);
/* The line of that mount point. */
bool read_fstab(const char *file, const char *point, struct planned_mount *mount);
