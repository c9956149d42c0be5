#define _GNU_SOURCE
#include "filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"

/* The name of the filesystem: what boots, or else what the record of the initrd names. */
static struct name name_of_filesystem(struct run *run)
{
	const struct settings *settings = &run->settings;
	struct name name;

	if (run->root.device) {
		if (!read_name(run->root.device, &name))
			end(run, "other", OTHER_FILESYSTEM,
			    words("%s names no device that is known here: %s", run->root.said_by,
				  escaped(run->root.device)));
		return name;
	}
	if (settings->device && read_name(settings->device, &name))
		return name;
	if (settings->fsid && read_name(words("UUID=%s", settings->fsid), &name))
		return name;
	end(run, "off", NO_ROOT, "no record in the initrd, and no root= to look for one");
}

static void look_for_device(struct run *run, const struct name *name)
{
	const char *other;

	switch (find_device(name, &run->device, &other)) {
	case ONE:
		return;
	case NOBODY:
		run->device = NULL;
		return;
	case SEVERAL:
		refuse(run, SEVERAL_DEVICES, "%s and %s both answer to %s, and are no one filesystem", run->device, other,
		       escaped(name->written));
	}
}

/* The kernel counts a device that has gone since it was scanned; what can be read now has to be enough, too. */
static bool is_whole(struct run *run)
{
	tell_kernel(run->device);
	return is_seed_there() || (is_complete(run->device) && devices_there(&run->super) >= run->super.devices);
}

static void wait_for_device(struct run *run, const struct name *name)
{
	for (unsigned waited = 0;; waited++) {
		look_for_device(run, name);
		/* Where there is no BTRFS, or a whole one, there is nothing to wait for. */
		if (run->device && (!read_superblock(run->device, &run->super) || run->super.devices == 1))
			return;
		if (run->device && is_whole(run))
			return;
		if (waited >= run->options.wait)
			break;
		sleep(1);
	}
	if (!run->device)
		refuse(run, NO_DEVICE, "no device %s", escaped(name->written));
	refuse(run, DEVICE_INCOMPLETE, "%s is there, but only %llu of the %llu devices of its filesystem",
	       escaped(name->written), (unsigned long long)devices_there(&run->super),
	       (unsigned long long)run->super.devices);
}

/* The record of the initrd names a filesystem: it has to be the one that boots. */
static void compare_with_record(struct run *run)
{
	const struct settings *settings = &run->settings;
	const char *device = run->device;
	struct superblock super = run->super;
	struct name name;

	if (!run->settings_of_initrd)
		return;
	if (settings->fsid && strcmp(settings->fsid, super.fsid) != 0)
		end(run, "other", OTHER_FILESYSTEM,
		    words("%s boots, and the record is of the filesystem %s", escaped(device), settings->fsid));
	if (!settings->device || strcmp(settings->device, device) == 0 || run->options.device)
		return;
	read_name(settings->device, &name);
	wait_for_device(run, &name);
	if (strcmp(run->super.fsid, super.fsid) != 0)
		end(run, "other", OTHER_FILESYSTEM,
		    words("%s boots, and the record is of %s", escaped(device), escaped(settings->device)));
	run->device = device;
	run->super = super;
}

/* Only root comes in. */
static bool make_private(const char *directory)
{
	return mkdir(directory, 0700) == 0 || (errno == EEXIST && chmod(directory, 0700) == 0);
}

/* Nothing of the running system changes. */
static void open_top_to_examine(struct run *run)
{
	run->top = open_top_level(run->device);
	if (run->top < 0 && errno == EPERM) {
		fprintf(stderr, "impermanence-rollback: %s: %s\n", run->device, strerror(errno));
		exit(1);
	}
	if (run->top < 0)
		fail(run, MOUNT_FAILED, "%s cannot be mounted", escaped(run->device));
}

static void open_top(struct run *run)
{
	if (run->options.examine) {
		open_top_to_examine(run);
		return;
	}
	if (!make_private(run->top_path))
		fail(run, MOUNT_FAILED, "%s cannot be made", escaped(run->top_path));
	if (mount_top_level(run->device, run->top_path) != 0)
		fail(run, MOUNT_FAILED, "%s cannot be mounted", escaped(run->device));
	run->top = open_directory(AT_FDCWD, run->top_path);
	run->mounts = read_mounts();
	if (run->top < 0 || !mounted_at(&run->mounts, run->top_path))
		fail(run, MOUNT_FAILED, "%s cannot be mounted", escaped(run->device));
	run->device_number = mounted_at(&run->mounts, run->top_path)->device;
}

void mount_root_filesystem(struct run *run)
{
	struct name name = name_of_filesystem(run);

	wait_for_device(run, &name);
	compare_with_record(run);
	open_top(run);
	if (!is_mounted_from(run->top, run->device, &run->super))
		refuse(run, DEVICE_IS_ANOTHER, "the kernel has mounted another device than %s, which has a copy",
		       escaped(run->device));
}
