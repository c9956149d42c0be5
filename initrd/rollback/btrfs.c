#define _GNU_SOURCE
#include "btrfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory.h"

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Close it, and keep the errno of what was done with it. */
static int closed(int fd, int result)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return result < 0 ? -1 : 0;
}

int open_directory(int directory, const char *path)
{
	return openat(directory, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int open_inside(int directory, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

	return (int)syscall(SYS_openat2, directory, *path ? path : ".", &how, sizeof how);
}

int open_beneath(int directory, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)flags | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, directory, *path ? path : ".", &how, sizeof how);
}

struct found look_around(int fd)
{
	struct btrfs_ioctl_get_subvol_info_args info = { 0 };
	struct found found = { .kind = OTHER, .used = true };
	struct statfs filesystem;

	/* Of every subvolume but the top level it answers 1, and all that there is to say. */
	if (fstatfs(fd, &filesystem) != 0 || filesystem.f_type != BTRFS_SUPER_MAGIC ||
	    ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0)
		return found;
	found.kind = SUBVOLUME;
	uuid_text(info.uuid, found.uuid);
	found.id = info.treeid;
	found.generation = info.generation;
	found.read_only = info.flags & BTRFS_ROOT_SUBVOL_RDONLY;
	found.used = info.generation != info.otransid;
	return found;
}

struct found look(int directory, const char *path)
{
	struct found found = { .kind = OTHER, .used = true };
	struct stat status;
	int fd;

	if (fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) != 0) {
		found.kind = errno == ENOENT || errno == ENOTDIR ? NOTHING : OTHER;
		return found;
	}
	if (S_ISREG(status.st_mode))
		found.kind = PLAIN_FILE;
	if (S_ISDIR(status.st_mode))
		found.kind = DIRECTORY;
	/* The first inode of a subvolume, and of nothing else on a BTRFS. */
	if (found.kind != DIRECTORY || status.st_ino != BTRFS_FIRST_FREE_OBJECTID)
		return found;
	fd = open_directory(directory, path);
	if (fd < 0)
		return found;
	found = look_around(fd);
	close(fd);
	return found;
}

bool is_there(int directory, const char *path)
{
	struct stat status;

	return fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool is_directory(int directory, const char *path)
{
	struct stat status;

	return fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

bool is_straight(int directory, const char *path)
{
	char *way = words("%s", path);
	struct stat status;

	for (char *slash = way; slash;) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (fstatat(directory, way, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode))
			return false;
		if (slash)
			*slash++ = '/';
	}
	return true;
}

bool is_immutable(int fd)
{
	int flags = 0;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL));
}

int mount_top_level(const char *device, const char *directory)
{
	return mount(device, directory, "btrfs", MS_RDONLY | SAFE, "subvolid=5");
}

int open_top_level(const char *device)
{
	unsigned attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	int context = fsopen("btrfs", FSOPEN_CLOEXEC), detached = -1, top = -1;

	if (context >= 0 && fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) == 0 &&
	    fsconfig(context, FSCONFIG_SET_STRING, "subvolid", "5", 0) == 0 &&
	    fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) == 0 &&
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		detached = fsmount(context, FSMOUNT_CLOEXEC, attributes);
	closed(context, 0);
	/* What fsmount gives is a place alone, which takes no ioctl. */
	if (detached >= 0)
		top = openat(detached, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	closed(detached, top);
	return top;
}

int remount_writable(const char *directory)
{
	return mount("none", directory, NULL, MS_REMOUNT | SAFE, NULL);
}

int unmount(const char *directory)
{
	return umount2(directory, UMOUNT_NOFOLLOW);
}

/* Make a subvolume in the directory that the last part of the path is to lie in. */
static int make(int directory, const char *path, unsigned long request, int from)
{
	struct btrfs_ioctl_vol_args_v2 arguments = { .fd = from };
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int parent;

	if (strlen(name) > BTRFS_SUBVOL_NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(arguments.name, name);
	parent = open_directory(directory, slash ? keep_bytes(path, (size_t)(slash - path)) : ".");
	return closed(parent, parent < 0 ? -1 : ioctl(parent, request, &arguments));
}

int make_snapshot(int directory, const char *from, const char *to)
{
	int source = open_directory(directory, from);

	return closed(source, source < 0 ? -1 : make(directory, to, BTRFS_IOC_SNAP_CREATE_V2, source));
}

int make_subvolume(int directory, const char *path)
{
	return make(directory, path, BTRFS_IOC_SUBVOL_CREATE_V2, 0);
}

int make_directories(int directory, const char *path)
{
	char *way = words("%s", path);

	if (is_directory(directory, path))
		return 0;
	for (char *slash = strchr(way, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (*way && !is_directory(directory, way) && mkdirat(directory, way, 0755) != 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdirat(directory, way, 0755);
}

int exchange_names(int directory, const char *one, const char *other)
{
	return renameat2(directory, one, directory, other, RENAME_EXCHANGE);
}

int move(int directory, const char *from, const char *to)
{
	return renameat2(directory, from, directory, to, RENAME_NOREPLACE);
}

int commit(int directory)
{
	return ioctl(directory, BTRFS_IOC_SYNC) < 0 ? -1 : 0;
}

/* The number in an item of the directory of the tree of roots, when it has the name "default". */
static uint64_t location_of_default(const char *item, size_t length)
{
	struct btrfs_dir_item entry;

	if (length < sizeof entry)
		return 0;
	memcpy(&entry, item, sizeof entry);
	if (le16toh(entry.name_len) != 7 || length < sizeof entry + 7 || memcmp(item + sizeof entry, "default", 7))
		return 0;
	return le64toh(entry.location.objectid);
}

uint64_t default_subvolume(int top)
{
	struct btrfs_ioctl_search_args search = { .key = {
		.tree_id = BTRFS_ROOT_TREE_OBJECTID,
		.min_objectid = BTRFS_ROOT_TREE_DIR_OBJECTID,
		.max_objectid = BTRFS_ROOT_TREE_DIR_OBJECTID,
		.min_type = BTRFS_DIR_ITEM_KEY,
		.max_type = BTRFS_DIR_ITEM_KEY,
		.max_offset = UINT64_MAX,
		.max_transid = UINT64_MAX,
		.nr_items = 64,
	} };
	struct btrfs_ioctl_search_header header;
	uint64_t found = 0;
	size_t at = 0;

	if (ioctl(top, BTRFS_IOC_TREE_SEARCH, &search) < 0)
		return 0;
	for (uint32_t i = 0; i < search.key.nr_items && !found; i++) {
		memcpy(&header, search.buf + at, sizeof header);
		found = location_of_default(search.buf + at + sizeof header, header.len);
		at += sizeof header + header.len;
	}
	/* Without an item it is the top level. */
	return found ? found : TOP_LEVEL;
}
