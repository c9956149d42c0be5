/* From what names a filesystem to its device. */
#pragma once
#include <stdbool.h>

#include "superblock.h"

enum naming { BY_PATH, BY_UUID, BY_LABEL, BY_PARTUUID, BY_PARTLABEL };

struct name {
	enum naming naming;
	const char *value;
	const char *written; /* as it was */
};

/* False when it names no device that can be looked for here. */
bool read_name(const char *text, struct name *name);

enum answer { NOBODY, ONE, SEVERAL };

/* `device` is the one that is named; with SEVERAL, `other` is another that answers to the name. */
enum answer find_device(const struct name *name, const char **device, const char **other);

/* All devices of the filesystem are known to the kernel. */
bool is_complete(const char *device);
/* Tell the kernel of all devices with a BTRFS, but not of a copy of this one. */
void tell_kernel(const char *device);
/* A device that others may have sprouted from is there: the kernel does not count it among theirs. */
bool is_seed_there(void);
/* How many devices of the filesystem are there. */
uint64_t devices_there(const struct superblock *super);
/* What the kernel has mounted at this directory is this device, or is on it among others. */
bool is_mounted_from(int top, const char *device, const struct superblock *super);
