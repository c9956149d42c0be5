/* Mark the filesystem of the root, say that the service is ready, and become the daemon.
 *
 *     impermanenced-start PROGRAM [ARGUMENT...]
 *
 * Logins wait for the mark and for nothing else.  An interpreter takes most of a second until it can make one, and
 * ten times that on an emulated machine that starts everything else too; this takes milliseconds.  The kernel queues
 * the events until the daemon reads them.  The daemon gets the marked descriptor as sd_listen_fds(3) has it, named
 * "fanotify", and looks whether it is on the filesystem of its volumes.  Whatever fails here fails there again and
 * is said there, so that this says nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#define BTRFS_MAGIC 0x9123683E
#define FIRST_FD 3 /* of those that a service is handed, sd_listen_fds(3) */
#define DEVICES 4096 /* further ids are not asked for: one that is there was found long before */
#define LOADS "600000000" /* microseconds in which a slow machine has loaded the daemon, behind everything else */
#define LAST 19 /* the nice value of who leaves the processors to everybody else */

/* What impermanenced.watch.mark asks for; a test compares the two. */
#define FLAGS (FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME_TARGET)
#define MASK (FAN_CREATE | FAN_DELETE | FAN_MOVED_TO | FAN_ATTRIB | FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ONDIR)

/* The top level of the filesystem on a device, mounted nowhere; -1 where that is another filesystem or none. */
static int top_level_on(const char *device, const struct btrfs_ioctl_fs_info_args *wanted)
{
	struct btrfs_ioctl_fs_info_args found = { 0 };
	int context = fsopen("btrfs", FSOPEN_CLOEXEC), mount = -1, top = -1;

	if (context < 0)
		return -1;
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) == 0 &&
	    fsconfig(context, FSCONFIG_SET_STRING, "subvolid", "5", 0) == 0 &&
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(context, FSMOUNT_CLOEXEC,
				MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	close(context);
	if (mount < 0)
		return -1;
	/* fsmount(2) opens by O_PATH, which ioctl(2) refuses. */
	top = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(mount);
	/* What grew on a seed is another filesystem than the seed. */
	if (top >= 0 && (ioctl(top, BTRFS_IOC_FS_INFO, &found) != 0 ||
			 memcmp(found.fsid, wanted->fsid, sizeof found.fsid) != 0)) {
		close(top);
		top = -1;
	}
	return top;
}

static int top_level_of(int root)
{
	struct btrfs_ioctl_fs_info_args filesystem = { 0 };
	int top = -1;

	if (ioctl(root, BTRFS_IOC_FS_INFO, &filesystem) != 0)
		return -1;
	for (__u64 id = 1; top < 0 && id <= filesystem.max_id && id <= DEVICES; id++) {
		struct btrfs_ioctl_dev_info_args device = { .devid = id };

		if (ioctl(root, BTRFS_IOC_DEV_INFO, &device) == 0 &&
		    memchr(device.path, '\0', sizeof device.path))
			top = top_level_on((const char *)device.path, &filesystem);
	}
	return top;
}

/* A descriptor that queues the events of the filesystem of the root; -1 where the kernel refuses. */
static int mark(void)
{
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), top = -1, events = -1;
	struct statfs facts;

	if (root >= 0 && fstatfs(root, &facts) == 0 && facts.f_type == BTRFS_MAGIC)
		top = top_level_of(root);
	/* A mount of a subvolume is refused, EXDEV. */
	if (top >= 0)
		events = fanotify_init(FLAGS, O_RDONLY);
	if (events >= 0 && fanotify_mark(events, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, top, NULL) != 0) {
		close(events);
		events = -1;
	}
	if (top >= 0)
		close(top);
	if (root >= 0)
		close(root);
	return events;
}

/* What systemd is to know; sd_notify(3) is a library, which takes longer to load than all of this. */
static void notify(const char *words)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!name || (name[0] != '/' && name[0] != '@') || strlen(name) >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, words, strlen(words), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)));
	close(fd);
}

static void set(const char *name, int number)
{
	char words[24];

	snprintf(words, sizeof words, "%d", number);
	setenv(name, words, 1);
}

static bool hand_over(int events)
{
	if ((events != FIRST_FD && dup2(events, FIRST_FD) < 0) || fcntl(FIRST_FD, F_SETFD, 0) != 0)
		return false;
	set("LISTEN_PID", getpid());
	set("LISTEN_FDS", 1);
	setenv("LISTEN_FDNAMES", "fanotify", 1);
	return true;
}

/* Leave the processors to the rest of the boot, where that may be taken back (LimitNICE=); the daemon does it when it
 * has loaded.  Where the kernel has a group of tasks for each session, nice counts in the group alone, and the
 * group has a value of its own. */
static void give_way(void)
{
	int before = getpriority(PRIO_PROCESS, 0), group;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NICE, &limit) != 0 ||
	    (limit.rlim_cur != RLIM_INFINITY && (long long)limit.rlim_cur < 20 - before))
		return;
	if (setpriority(PRIO_PROCESS, 0, LAST) != 0)
		return;
	set("IMPERMANENCED_NICE", before);
	group = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (group >= 0) {
		(void)!write(group, "19", 2);
		close(group);
	}
}

int main(int argc, char **argv)
{
	int events;

	if (argc < 2) {
		fprintf(stderr, "usage: impermanenced-start PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	events = mark();
	if (events >= 0 && hand_over(events)) {
		/* Until the daemon listens a reload would end it, and it looks then whether anything was edited. */
		signal(SIGHUP, SIG_IGN);
		give_way();
		/* The unit's watchdog would bark at what is not loaded yet; the daemon says when it counts again. */
		notify(getenv("WATCHDOG_USEC") ? "READY=1\nWATCHDOG_USEC=" LOADS : "READY=1");
	}
	execv(argv[1], argv + 1);
	fprintf(stderr, "impermanenced-start: %s: %s\n", argv[1], strerror(errno));
	return 127;
}
