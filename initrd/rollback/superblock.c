#define _GNU_SOURCE
#include "superblock.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "memory.h"
#include "text.h"

#define BLOCKS "/sys/class/block"

/* struct btrfs_super_block of the kernel's btrfs_tree.h; numbers are little-endian. */
#define SUPER_AT 65536
#define SUPER_SIZE 4096
#define FSID_AT 32
#define FLAGS_AT 56
#define MAGIC_AT 64
#define DEVICES_AT 136
#define DEVICE_AT 201 /* devid of dev_item */
#define LABEL_AT 299
#define MAGIC "_BHRfS_M"
#define SEEDING (UINT64_C(1) << 32)

static uint64_t number_at(const unsigned char *super, size_t offset)
{
	uint64_t number;

	memcpy(&number, super + offset, sizeof number);
	return le64toh(number);
}

bool read_superblock(const char *path, struct superblock *super)
{
	unsigned char bytes[SUPER_SIZE];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, SUPER_AT);

	if (fd >= 0)
		close(fd);
	*super = (struct superblock){ .devices = 0 };
	if (got != SUPER_SIZE || memcmp(bytes + MAGIC_AT, MAGIC, strlen(MAGIC)) != 0)
		return false;
	uuid_text(bytes + FSID_AT, super->fsid);
	memcpy(super->label, bytes + LABEL_AT, LABEL_SIZE);
	super->device = number_at(bytes, DEVICE_AT);
	super->devices = number_at(bytes, DEVICES_AT);
	super->seeding = number_at(bytes, FLAGS_AT) & SEEDING;
	return true;
}

bool are_copies(const struct superblock *one, const struct superblock *other)
{
	return strcmp(one->fsid, other->fsid) == 0 && one->device == other->device;
}

/* A multipath, a mapping or an array shows what lies on the devices below it once more. */
static bool is_held(const char *name)
{
	DIR *holders = opendir(words(BLOCKS "/%s/holders", name));
	bool held = false;

	for (const struct dirent *entry; holders && (entry = readdir(holders));)
		held = held || entry->d_name[0] != '.';
	if (holders)
		closedir(holders);
	return held;
}

/* The node of a block device; NULL when there is none, or it belongs to something else. */
static const char *node_of(const char *name)
{
	char *path = words("/dev/%s", name);
	struct stat status;

	for (char *mark = path; (mark = strchr(mark, '!'));)
		*mark = '/';
	if (stat(path, &status) != 0 || !S_ISBLK(status.st_mode))
		return NULL;
	if (strcmp(first_line_of(words(BLOCKS "/%s/dev", name)),
		   words("%u:%u", major(status.st_rdev), minor(status.st_rdev))) != 0)
		return NULL;
	return path;
}

/* A drive without a disk answers late, and no root is on these. */
static bool is_worth_a_look(const char *name)
{
	return name[0] != '.' && !begins_with(name, "sr") && !begins_with(name, "fd") && !begins_with(name, "ram") &&
	       !begins_with(name, "zram") && !is_held(name);
}

struct block_devices btrfs_devices(void)
{
	struct block_devices devices = { 0 };
	struct block_device device;
	DIR *blocks = opendir(BLOCKS);

	for (const struct dirent *entry; blocks && (entry = readdir(blocks));) {
		if (!is_worth_a_look(entry->d_name))
			continue;
		device.path = node_of(entry->d_name);
		if (!device.path || !read_superblock(device.path, &device.super))
			continue;
		devices.list = grown(devices.list, devices.count, sizeof *devices.list);
		devices.list[devices.count++] = device;
	}
	if (blocks)
		closedir(blocks);
	return devices;
}

const char *partition_by(const char *key, const char *value)
{
	const char *wanted = words("%s=%s", key, value), *found = NULL;
	DIR *blocks = opendir(BLOCKS);
	char *text;

	for (const struct dirent *entry; blocks && !found && (entry = readdir(blocks));) {
		if (entry->d_name[0] == '.')
			continue;
		text = text_of(words(BLOCKS "/%s/uevent", entry->d_name));
		for (char *line = text, *end; !found && (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			if (strcasecmp(line, wanted) == 0)
				found = node_of(entry->d_name);
		}
	}
	if (blocks)
		closedir(blocks);
	return found;
}
