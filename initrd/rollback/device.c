#define _GNU_SOURCE
#include "device.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

static const struct tag {
	const char *tag, *link;
	enum naming naming;
} tags[] = {
	{ "UUID=", "/dev/disk/by-uuid/", BY_UUID },
	{ "LABEL=", "/dev/disk/by-label/", BY_LABEL },
	{ "PARTUUID=", "/dev/disk/by-partuuid/", BY_PARTUUID },
	{ "PARTLABEL=", "/dev/disk/by-partlabel/", BY_PARTLABEL },
};

#define TAGS (sizeof tags / sizeof *tags)

/* udev writes what is not plain in a name of a link as \xNN. */
static const char *without_escapes(const char *link)
{
	char *text = words("%s", link), *to = text;
	unsigned byte;

	for (const char *from = text; *from; from++) {
		if (begins_with(from, "\\x") && sscanf(from + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 3;
		} else
			*to++ = *from;
	}
	*to = '\0';
	return text;
}

static const char *with_escapes(const char *label)
{
	char *text = keep(4 * strlen(label) + 1), *end = text;

	for (const unsigned char *byte = (const unsigned char *)label; *byte; byte++) {
		if (isalnum(*byte) || strchr("#+-.:=@_", *byte) || *byte >= 0x80)
			*end++ = (char)*byte;
		else
			end += sprintf(end, "\\x%02x", *byte);
	}
	return text;
}

static const char *in_lower_case(const char *value)
{
	char *text = words("%s", value);

	for (char *letter = text; *letter; letter++)
		*letter = (char)tolower((unsigned char)*letter);
	return text;
}

bool read_name(const char *text, struct name *name)
{
	*name = (struct name){ .naming = BY_PATH, .value = text, .written = text };
	for (size_t i = 0; i < TAGS; i++) {
		bool by_tag = begins_with(text, tags[i].tag);

		if (!by_tag && !begins_with(text, tags[i].link))
			continue;
		name->naming = tags[i].naming;
		name->value = by_tag ? text + strlen(tags[i].tag) : without_escapes(text + strlen(tags[i].link));
		if (name->naming == BY_UUID)
			name->value = in_lower_case(name->value);
		return name->value[0] != '\0';
	}
	return begins_with(text, "/dev/") && strcmp(text, "/dev/root") != 0 && text[5] != '\0';
}

static bool answers(const struct name *name, const struct superblock *super)
{
	return strcmp(name->naming == BY_UUID ? super->fsid : super->label, name->value) == 0;
}

/* Devices of one filesystem differ in their numbers; a sprout has the label of the seed below it. */
static bool fit_together(const struct superblock *one, const struct superblock *other)
{
	if (one->seeding != other->seeding)
		return true;
	return strcmp(one->fsid, other->fsid) == 0 && one->device != other->device;
}

static bool comes_first(const struct superblock *one, const struct superblock *other)
{
	if (one->seeding != other->seeding)
		return !one->seeding;
	return one->device < other->device;
}

static enum answer find_by_superblock(const struct name *name, const char **device, const char **other)
{
	struct block_devices devices = btrfs_devices();
	const struct block_device *first = NULL;

	for (size_t i = 0; i < devices.count; i++) {
		const struct block_device *one = &devices.list[i];

		if (!answers(name, &one->super))
			continue;
		for (size_t j = 0; j < i; j++)
			if (answers(name, &devices.list[j].super) && !fit_together(&one->super, &devices.list[j].super)) {
				*device = devices.list[j].path;
				*other = one->path;
				return SEVERAL;
			}
		if (!first || comes_first(&one->super, &first->super))
			first = one;
	}
	*device = first ? first->path : NULL;
	return first ? ONE : NOBODY;
}

/* Which of two copies udev gave the name, nobody can say. */
static enum answer alone(const char **device, const char **other)
{
	struct block_devices devices = btrfs_devices();
	struct superblock super;
	struct stat mine, status;

	if (stat(*device, &mine) != 0 || !read_superblock(*device, &super))
		return ONE;
	for (size_t i = 0; i < devices.count; i++)
		if (are_copies(&devices.list[i].super, &super) && stat(devices.list[i].path, &status) == 0 &&
		    status.st_rdev != mine.st_rdev) {
			*other = devices.list[i].path;
			return SEVERAL;
		}
	return ONE;
}

static const char *link_of(const struct name *name)
{
	struct stat status;
	const char *link = NULL;

	for (size_t i = 0; i < TAGS; i++)
		if (tags[i].naming == name->naming)
			link = words("%s%s", tags[i].link, with_escapes(name->value));
	return link && stat(link, &status) == 0 ? link : NULL;
}

enum answer find_device(const struct name *name, const char **device, const char **other)
{
	struct stat status;

	*device = *other = NULL;
	if (name->naming == BY_PATH) {
		*device = name->value;
		return stat(name->value, &status) == 0 ? ONE : NOBODY;
	}
	if (name->naming == BY_UUID || name->naming == BY_LABEL) {
		enum answer answer = find_by_superblock(name, device, other);

		if (answer != NOBODY)
			return answer;
	}
	*device = link_of(name);
	if (!*device && name->naming == BY_PARTUUID)
		*device = partition_by("PARTUUID", name->value);
	if (!*device && name->naming == BY_PARTLABEL)
		*device = partition_by("PARTNAME", name->value);
	return *device ? alone(device, other) : NOBODY;
}

/* Ask the kernel's own node for BTRFS; -1 when it cannot be asked. */
static int ask(unsigned long request, const char *device)
{
	struct btrfs_ioctl_vol_args arguments = { 0 };
	int control, result;

	if (strlen(device) > BTRFS_PATH_NAME_MAX)
		return -1;
	strcpy(arguments.name, device);
	control = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -1;
	result = ioctl(control, request, &arguments);
	close(control);
	return result;
}

bool is_complete(const char *device)
{
	return ask(BTRFS_IOC_DEVICES_READY, device) == 0;
}

void tell_kernel(const char *device)
{
	struct block_devices devices = btrfs_devices();
	struct superblock super;
	struct stat mine, status;
	bool known = stat(device, &mine) == 0 && read_superblock(device, &super);

	for (size_t i = 0; i < devices.count; i++) {
		const struct block_device *one = &devices.list[i];
		bool same = known && stat(one->path, &status) == 0 && status.st_rdev == mine.st_rdev;

		if (same || !known || !are_copies(&one->super, &super))
			ask(BTRFS_IOC_SCAN_DEV, one->path);
	}
}

bool is_seed_there(void)
{
	struct block_devices devices = btrfs_devices();

	for (size_t i = 0; i < devices.count; i++)
		if (devices.list[i].super.seeding)
			return true;
	return false;
}

uint64_t devices_there(const struct superblock *super)
{
	struct block_devices devices = btrfs_devices();
	uint64_t there = 0;

	for (size_t i = 0; i < devices.count; i++)
		there += strcmp(devices.list[i].super.fsid, super->fsid) == 0;
	return there;
}

bool is_mounted_from(int top, const char *device, const struct superblock *super)
{
	struct btrfs_ioctl_dev_info_args info = { .devid = super->device };
	struct stat wanted, status;

	if (ioctl(top, BTRFS_IOC_DEV_INFO, &info) < 0)
		return false;
	info.path[sizeof info.path - 1] = '\0';
	/* A name of before, that is gone, says nothing. */
	if (stat(device, &wanted) != 0 || stat((const char *)info.path, &status) != 0)
		return true;
	return wanted.st_rdev == status.st_rdev;
}
