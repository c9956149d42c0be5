/* Steps of the hook, several in one process, that ask the kernel directly:
 *
 *   volumes STEP [, STEP]...
 *
 *   directory PATH            is made, in one that is there
 *   ready DEVICE              all devices of that filesystem are there
 *   mount DEVICE DIRECTORY    its top level, read-only, at a directory that only root can enter
 *   remount DIRECTORY         writable
 *   umount DIRECTORY
 *   look PATH...              the time, then of each PATH a line that says what it is:
 *                             subvolume UUID ID GENERATION GENERATION-AT-CREATION readonly|writable FILESYSTEM
 *                             file SIZE
 *                             nothing, or other
 *   snapshot FROM TO          writable
 *   create PATH               an empty subvolume
 *   exchange A B              two names change places in one step, or nothing happens
 *   move A B                  A is called B, unless something else is
 *   sync DIRECTORY            what is in memory alone is committed
 *
 * The first that fails is the last.  Status 1: it could not be done; 16 and more: so many steps less 16 are
 * done, and the next is nothing that the kernel or the filesystem knows.  The hook has other programs for
 * all of it; a process of each costs twice as much, and `btrfs subvolume show` reads the list of all
 * subvolumes each time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define FAILED 1
#define WRONG_USAGE 2
#define UNKNOWN 16
#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static int failed(const char *what)
{
	int unknown = errno == EINVAL || errno == ENOSYS || errno == ENOTTY || errno == EOPNOTSUPP;

	fprintf(stderr, "volumes: %s: %s\n", what, strerror(errno));
	return unknown ? UNKNOWN : FAILED;
}

static int done(int result, const char *what)
{
	return result < 0 ? failed(what) : 0;
}

/* Of the last call with the descriptor, which is closed. */
static int done_with(int fd, int result, const char *what)
{
	int code = done(result, what);

	if (fd >= 0)
		close(fd);
	return code;
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int directory(char **arguments)
{
	int result = mkdir(arguments[0], 0755);

	return result != 0 && errno == ENOENT ? UNKNOWN : done(result, "directory");
}

static int ready(char **arguments)
{
	struct btrfs_ioctl_vol_args device = { 0 };
	int control, result;

	if (strlen(arguments[0]) > BTRFS_PATH_NAME_MAX)
		return FAILED;
	strcpy(device.name, arguments[0]);
	control = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
	result = control < 0 ? -1 : ioctl(control, BTRFS_IOC_DEVICES_READY, &device);
	return done_with(control, result, "ready") || result > 0;
}

static int mount_top(char **arguments)
{
	const char *device = arguments[0], *directory = arguments[1];

	if (mkdir(directory, 0700) != 0 && (errno != EEXIST || chmod(directory, 0700) != 0))
		return failed("mount");
	return done(mount(device, directory, "btrfs", MS_RDONLY | SAFE, "subvolid=5"), "mount");
}

static int remount(char **arguments)
{
	return done(mount("none", arguments[0], NULL, MS_REMOUNT | SAFE, NULL), "remount");
}

static int unmount(char **arguments)
{
	return done(umount2(arguments[0], UMOUNT_NOFOLLOW), "umount");
}

static void print_uuid(const unsigned char *uuid)
{
	for (int i = 0; i < BTRFS_UUID_SIZE; i++)
		printf(i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}

static int print_other(void)
{
	puts("other");
	return 0;
}

static int look_at_subvolume(int fd)
{
	struct btrfs_ioctl_get_subvol_info_args info = { 0 };
	struct btrfs_ioctl_fs_info_args filesystem = { 0 };

	/* Of every subvolume but the top level it answers 1, and all that there is to say. */
	if (ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0 || ioctl(fd, BTRFS_IOC_FS_INFO, &filesystem) < 0)
		return errno == ENOTTY || errno == EOPNOTSUPP ? failed("look") : print_other();
	printf("subvolume ");
	print_uuid(info.uuid);
	printf(" %llu %llu %llu %s ", (unsigned long long)info.treeid, (unsigned long long)info.generation,
	       (unsigned long long)info.otransid, info.flags & BTRFS_ROOT_SUBVOL_RDONLY ? "readonly" : "writable");
	print_uuid(filesystem.fsid);
	putchar('\n');
	return 0;
}

static int look_at(const char *path)
{
	struct stat status;
	struct statfs filesystem;
	int fd, result;

	if (lstat(path, &status) != 0) {
		puts(errno == ENOENT || errno == ENOTDIR ? "nothing" : "other");
		return 0;
	}
	if (S_ISREG(status.st_mode)) {
		printf("file %lld\n", (long long)status.st_size);
		return 0;
	}
	/* The first inode of a subvolume, and of nothing else on a BTRFS. */
	if (!S_ISDIR(status.st_mode) || status.st_ino != BTRFS_FIRST_FREE_OBJECTID)
		return print_other();
	fd = open_directory(path);
	if (fd < 0)
		return print_other();
	if (fstatfs(fd, &filesystem) != 0 || filesystem.f_type != BTRFS_SUPER_MAGIC)
		result = print_other();
	else
		result = look_at_subvolume(fd);
	close(fd);
	return result;
}

static int look(char **arguments)
{
	int result = 0;

	printf("time %lld\n", (long long)time(NULL));
	while (result == 0 && *arguments)
		result = look_at(*arguments++);
	return result;
}

static int make(const char *path, unsigned long request, int from)
{
	struct btrfs_ioctl_vol_args_v2 subvolume = { .fd = from };
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	int fd;

	if (!slash || slash - path >= PATH_MAX || strlen(slash + 1) > BTRFS_SUBVOL_NAME_MAX)
		return FAILED;
	strcpy(subvolume.name, slash + 1);
	memcpy(parent, path, slash - path);
	parent[slash - path] = '\0';
	fd = open_directory(parent);
	return done_with(fd, fd < 0 ? -1 : ioctl(fd, request, &subvolume), "make");
}

static int snapshot(char **arguments)
{
	int from = open_directory(arguments[0]);
	int result = from < 0 ? failed("snapshot") : make(arguments[1], BTRFS_IOC_SNAP_CREATE_V2, from);

	if (from >= 0)
		close(from);
	return result;
}

static int create(char **arguments)
{
	return make(arguments[0], BTRFS_IOC_SUBVOL_CREATE_V2, 0);
}

static int exchange(char **arguments)
{
	return done(renameat2(AT_FDCWD, arguments[0], AT_FDCWD, arguments[1], RENAME_EXCHANGE), "exchange");
}

static int move(char **arguments)
{
	return done(renameat2(AT_FDCWD, arguments[0], AT_FDCWD, arguments[1], RENAME_NOREPLACE), "move");
}

static int sync_all(char **arguments)
{
	int fd = open_directory(arguments[0]);

	return done_with(fd, fd < 0 ? -1 : ioctl(fd, BTRFS_IOC_SYNC), "sync");
}

static const struct step {
	const char *name;
	int least, most;
	int (*take)(char **arguments);
} steps[] = {
	{ "directory", 1, 1, directory },
	{ "ready", 1, 1, ready },	  { "mount", 2, 2, mount_top }, { "remount", 1, 1, remount },
	{ "umount", 1, 1, unmount },	  { "look", 1, 1 << 16, look }, { "snapshot", 2, 2, snapshot },
	{ "create", 1, 1, create },	  { "exchange", 2, 2, exchange }, { "move", 2, 2, move },
	{ "sync", 1, 1, sync_all },
};

static int take(int count, char **words)
{
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (count > 0 && strcmp(words[0], steps[i].name) == 0 && count > steps[i].least &&
		    count <= steps[i].most + 1)
			return steps[i].take(words + 1);
	fputs("volumes: a step that is unknown, or has too much or too little with it\n", stderr);
	return WRONG_USAGE;
}

int main(int argc, char **argv)
{
	static char printed[1 << 16];
	int result = 0, begin = 1, taken = 0;

	setvbuf(stdout, printed, _IOFBF, sizeof printed);
	for (int i = 1; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], ",") != 0)
			continue;
		argv[i] = NULL;
		result = take(i - begin, argv + begin);
		if (result != 0)
			break;
		begin = i + 1;
		taken++;
	}
	/* Half of what was to be said is not said. */
	if (result != 0)
		_exit(result == UNKNOWN ? UNKNOWN + taken : result);
	return fflush(stdout) == 0 ? 0 : failed("look");
}
