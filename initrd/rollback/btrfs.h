/* The system calls of the switch.  Paths are from a directory descriptor: the top level, mostly.
 *
 * Each returns 0, or -1 with errno. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "forms.h"

#define TOP_LEVEL 5 /* BTRFS_FS_TREE_OBJECTID */

enum kind { NOTHING, OTHER, PLAIN_FILE, DIRECTORY, SUBVOLUME };

struct found {
	enum kind kind;
	char uuid[UUID_TEXT + 1]; /* "": no subvolume */
	uint64_t id, generation;
	bool read_only;
	bool used; /* somebody has written to it since it was made; renaming it does not count */
};

struct found look(int directory, const char *path);
/* Of the subvolume that a file or directory lies in. */
struct found look_around(int fd);
bool is_there(int directory, const char *path);
bool is_directory(int directory, const char *path);
/* No symbolic link is on the way, nor at its end. */
bool is_straight(int directory, const char *path);
/* An immutable directory takes no other names. */
bool is_immutable(int fd);

int mount_top_level(const char *device, const char *directory);
/* Read-only, on a mount that nobody else sees and that goes with the descriptor. */
int open_top_level(const char *device);
int remount_writable(const char *directory);
int unmount(const char *directory);
int make_snapshot(int directory, const char *from, const char *to);
int make_subvolume(int directory, const char *path);
int make_directories(int directory, const char *path);
/* Two names change places in one step, or nothing happens. */
int exchange_names(int directory, const char *one, const char *other);
/* FROM is called TO, unless something else is. */
int move(int directory, const char *from, const char *to);
int commit(int directory);
/* What was sure to be known, in a directory of its own. */
int open_directory(int directory, const char *path);
/* A descriptor on what a path says inside of that directory, whatever links lead to. */
int open_inside(int directory, const char *path, int flags);
/* The same, and no link is followed, on the way or at the end. */
int open_beneath(int directory, const char *path, int flags);
/* The subvolume that a mount without options shows; 0: it cannot be read. */
uint64_t default_subvolume(int top);
