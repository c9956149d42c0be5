/* What is mounted, from /proc/self/mountinfo. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount {
	const char *device; /* major:minor of the superblock */
	const char *root, *point, *source, *options;
	uint64_t subvolume; /* 0: no BTRFS */
};

struct mounts {
	struct mount *list;
	size_t count;
};

struct mounts read_mounts(void);
/* What was mounted there last; NULL when nothing is. */
const struct mount *mounted_at(const struct mounts *mounts, const char *point);
/* A mount shows this subvolume of the filesystem with that device number. */
bool is_in_use(const struct mounts *mounts, const char *device, uint64_t subvolume);
