#define _GNU_SOURCE
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "btrfs.h"
#include "forms.h"
#include "memory.h"

static const char *because(const char *what)
{
	return words("%s: %s", what, strerror(errno));
}

int open_writable(int directory)
{
	struct mount_attr attributes = { .attr_clr = MOUNT_ATTR_RDONLY };
	int clone = open_tree(directory, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (clone >= 0 && mount_setattr(clone, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
		close(clone);
		return -1;
	}
	return clone;
}

static int make_file(int directory, const char *name)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int make_name(const struct place *place, int directory, const char *name)
{
	if (strcmp(place->kind, "link") == 0)
		return symlinkat(place->target, directory, name);
	return strcmp(place->kind, "file") == 0 ? make_file(directory, name) : mkdirat(directory, name, 0700);
}

/* Owner and mode of what was made a moment ago. */
static int give(const struct place *place, int directory, const char *name)
{
	if (fchownat(directory, name, place->uid, place->gid, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	return strcmp(place->kind, "link") == 0 ? 0 : fchmodat(directory, name, place->mode, 0);
}

static int make_in(const struct place *place, int directory, const char *name)
{
	if (make_name(place, directory, name) != 0)
		return errno == EEXIST ? 0 : -1;
	return give(place, directory, name);
}

static bool is_same(int one, int other)
{
	struct stat first, second;

	return fstat(one, &first) == 0 && fstat(other, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* A directory that is read-only, to be written: by the one mount that all share, since each that is taken away
 * again waits for the kernel, or by one of its own if something else is mounted on the way. */
static int writable(const struct sides *sides, int directory, const char *path)
{
	int shared = sides->writable_root < 0 ? -1 : open_beneath(sides->writable_root, path, O_PATH | O_DIRECTORY);

	if (shared >= 0 && is_same(shared, directory))
		return shared;
	if (shared >= 0)
		close(shared);
	return open_writable(directory);
}

static int make(const struct place *place, const struct sides *sides)
{
	const char *slash = strrchr(place->path, '/'), *name = slash ? slash + 1 : place->path;
	const char *around = slash ? keep_bytes(place->path, (size_t)(slash - place->path)) : ".";
	int directory = open_beneath(sides->root, around, O_PATH | O_DIRECTORY), other, result;

	if (directory < 0)
		return -1;
	result = make_in(place, directory, name);
	if (result != 0 && errno == EROFS && (other = writable(sides, directory, around)) >= 0) {
		result = make_in(place, other, name);
		close(other);
	}
	close(directory);
	return result;
}

static bool has_kind(int fd, const char *kind)
{
	struct stat status;
	mode_t type = strcmp(kind, "directory") == 0 ? S_IFDIR : strcmp(kind, "file") == 0 ? S_IFREG : S_IFLNK;

	return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == type;
}

/* What is at this path, when it is of that kind; no link on the way is followed. */
static int open_kind(int from, const char *path, const char *kind)
{
	int fd = open_beneath(from, path, O_PATH | O_NOFOLLOW);

	if (fd >= 0 && has_kind(fd, kind))
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = strcmp(kind, "directory") == 0 ? ENOTDIR : EEXIST;
	}
	return -1;
}

/* The attributes of a mount that an option stands for; false where it stands for something else. */
static bool attribute_of(const char *option, struct mount_attr *attributes)
{
	const struct {
		const char *option;
		uint64_t set;
	} known[] = {
		{ "ro", MOUNT_ATTR_RDONLY },	 { "nosuid", MOUNT_ATTR_NOSUID },
		{ "nodev", MOUNT_ATTR_NODEV },	 { "noexec", MOUNT_ATTR_NOEXEC },
		{ "nodiratime", MOUNT_ATTR_NODIRATIME },
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(option, known[i].option) == 0) {
			attributes->attr_set |= known[i].set;
			attributes->attr_clr &= ~known[i].set;
			return true;
		}
	if (strcmp(option, "noatime") != 0)
		return false;
	attributes->attr_clr |= MOUNT_ATTR__ATIME;
	attributes->attr_set |= MOUNT_ATTR_NOATIME;
	return true;
}

static struct mount_attr attributes_of(const char *options)
{
	/* The mount of the top level, which this one is a copy of, takes no device and no program. */
	struct mount_attr attributes = { .attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
						     MOUNT_ATTR_NOEXEC };
	char *rest = words("%s", options ? options : ""), *option;

	while ((option = strsep(&rest, ",")))
		attribute_of(option, &attributes);
	return attributes;
}

static bool attach(int source, int at, struct mount_attr *attributes)
{
	int clone = open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), error;
	bool attached = clone >= 0 &&
			mount_setattr(clone, "", AT_EMPTY_PATH, attributes, sizeof *attributes) == 0 &&
			move_mount(clone, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;

	error = errno;
	if (clone >= 0)
		close(clone);
	errno = error;
	return attached;
}

static const char *mount_source(const struct place *place, int root, int top)
{
	struct mount_attr attributes = attributes_of(place->options);
	int source = open_kind(top, place->source, place->kind), at;
	const char *fault = NO_FAULT;

	if (source < 0)
		return because(words("its source %s", escaped(place->source)));
	at = open_kind(root, place->path, place->kind);
	if (at < 0)
		fault = because("the place");
	else if (!is_same(source, at) && !attach(source, at, &attributes))
		fault = because("it cannot be mounted");
	close(source);
	if (at >= 0)
		close(at);
	return fault;
}

const char *make_place(const struct place *place, const struct sides *sides)
{
	if (place->source) {
		/* Without its source nothing is made either: the system's own unit says the same again. */
		int source = open_kind(sides->top, place->source, place->kind);

		if (source < 0)
			return because(words("its source %s", escaped(place->source)));
		close(source);
	}
	if (make(place, sides) != 0)
		return because("it cannot be made");
	return place->source ? mount_source(place, sides->root, sides->top) : NO_FAULT;
}
