#define _GNU_SOURCE
/* The second mode: the root is mounted, and its system has not started. */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "btrfs.h"
#include "compiled.h"
#include "early.h"
#include "log.h"
#include "memory.h"
#include "mounts.h"
#include "places.h"

static bool is_of(int fd, const char *fsid)
{
	struct btrfs_ioctl_fs_info_args info = { 0 };
	char text[UUID_TEXT + 1];

	if (ioctl(fd, BTRFS_IOC_FS_INFO, &info) != 0)
		return false;
	uuid_text(info.fsid, text);
	return strcmp(text, fsid) == 0;
}

static int open_top(const char *device, const char *directory)
{
	if ((mkdir(directory, 0700) != 0 && errno != EEXIST) || mount_top_level(device, directory) != 0)
		return -1;
	if (remount_writable(directory) != 0)
		return -1;
	return open_directory(AT_FDCWD, directory);
}

static void make_all(const struct early *early, int root, int top)
{
	struct sides sides = { .root = root, .writable_root = open_writable(root), .top = top };

	for (size_t i = 0; i < early->count; i++) {
		const char *fault = make_place(&early->list[i], &sides);

		if (fault)
			say(ERROR, "/%s is not there before the system starts, %s", escaped(early->list[i].path), fault);
	}
	if (sides.writable_root >= 0)
		close(sides.writable_root);
}

/* The list is that of the filesystem which the switch was about: another root has nothing to do with it. */
static void make_in_root(const struct early *early, const struct options *options)
{
	const char *directory = words("%s/impermanence/top", options->run);
	struct mounts mounts = read_mounts();
	const struct mount *mount = mounted_at(&mounts, options->sysroot);
	int root = open_directory(AT_FDCWD, options->sysroot), top;

	if (!mount || root < 0 || !is_of(root, early->fsid)) {
		say(ERROR, "nothing is put into the root: %s is not of the filesystem %s", options->sysroot, early->fsid);
		return;
	}
	on_death_unmount(directory);
	top = open_top(mount->source, directory);
	if (top < 0)
		say(ERROR, "nothing is put into the root: its filesystem cannot be mounted: %s", strerror(errno));
	else
		make_all(early, root, top);
	if (top >= 0)
		close(top);
	close(root);
	mounts = read_mounts();
	if (mounted_at(&mounts, directory) && unmount(directory) != 0) {
		say(ERROR, "%s could not be unmounted: %s", directory, strerror(errno));
		umount2(directory, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
}

int make_early_places(const struct options *options)
{
	const char *list = words("%s/impermanence/" EARLY, options->run);
	struct early early = { 0 };
	const char *fault;

	if (!is_there(AT_FDCWD, list))
		return 0;
	fault = parse_file(&early_grammar, &early, AT_FDCWD, list);
	if (fault)
		say(ERROR, "nothing is put into the root: %s: %s", list, fault);
	else
		make_in_root(&early, options);
	return 0;
}
