/* What a block device says of itself, before anything is mounted. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "forms.h"

#define LABEL_SIZE 256

struct superblock {
	char fsid[UUID_TEXT + 1];
	char label[LABEL_SIZE + 1];
	uint64_t device, devices; /* which of how many */
	bool seeding;		  /* others have sprouted from it */
};

struct block_device {
	const char *path;
	struct superblock super;
};

struct block_devices {
	struct block_device *list;
	size_t count;
};

/* False when there is no BTRFS on it. */
bool read_superblock(const char *path, struct superblock *super);
/* All devices with a BTRFS on them that nothing else is built on. */
struct block_devices btrfs_devices(void);
/* Two devices that cannot be one and the same part of a filesystem, and say that they are. */
bool are_copies(const struct superblock *one, const struct superblock *other);
/* The partition that the kernel knows by this PARTUUID or PARTNAME; NULL when it knows none. */
const char *partition_by(const char *key, const char *value);
