#define _GNU_SOURCE
#include "layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "forms.h"
#include "memory.h"

static void look_at_volume(struct run *run, struct volume *volume)
{
	const struct wanted *wanted = volume->wanted;
	const char *blank = wanted->blank[0] ? wanted->blank : NULL;

	run->about = wanted->name;
	if (!is_straight(run->top, wanted->path))
		refuse(run, LINK_IN_PATH, "a symbolic link on the way to volume %s", wanted->name);
	if (blank && !is_straight(run->top, blank))
		refuse(run, LINK_IN_PATH, "a symbolic link on the way to the blank of volume %s", wanted->name);
	volume->live = look(run->top, wanted->path);
	volume->blank = blank ? look(run->top, blank) : (struct found){ .kind = NOTHING };
	if (volume->live.kind == NOTHING)
		run->missing = wanted->name;
	else if (volume->live.kind != SUBVOLUME)
		refuse(run, NOT_SUBVOLUME, "%s is not a subvolume", escaped(wanted->path));
	/* A running system has them mounted, and the next boot has not. */
	else if (!run->options.examine && is_in_use(&run->mounts, run->device_number, volume->live.id))
		refuse(run, VOLUME_MOUNTED, "volume %s is mounted already", wanted->name);
	volume->told = (struct told){
		.name = wanted->name,
		.path = wanted->path,
		.uuid = volume->live.kind == SUBVOLUME ? words("%s", volume->live.uuid) : NULL,
	};
}

void look_at_volumes(struct run *run)
{
	if (!is_straight(run->top, run->settings.archive))
		refuse(run, LINK_IN_PATH, "a symbolic link on the way to the archive");
	run->missing = NULL;
	run->kept_words = NULL;
	for (size_t i = 0; i < run->count; i++)
		look_at_volume(run, &run->volumes[i]);
	run->about = NULL;
	if (run->missing)
		run->kept_words = words("there is no volume %s to boot", run->missing);
}

/* The directory that a name lies in, or the nearest above it that is there. */
static int open_above(int top, const char *path)
{
	char *way = words("%s", path);

	for (char *slash; (slash = strrchr(way, '/'));) {
		int fd;

		*slash = '\0';
		fd = open_directory(top, way);
		if (fd >= 0 || errno != ENOENT)
			return fd;
	}
	return open_directory(top, ".");
}

/* Names in it can change. */
static void check_directory(struct run *run, int fd, const char *what)
{
	bool read_only, immutable;

	if (fd < 0)
		refuse(run, ARCHIVE_NOT_DIRECTORY, "the way to %s is no directory", what);
	read_only = look_around(fd).read_only;
	immutable = is_immutable(fd);
	close(fd);
	if (read_only)
		refuse(run, PLACE_READ_ONLY, "%s: the subvolume it lies in is read-only", what);
	if (immutable)
		refuse(run, PLACE_READ_ONLY, "%s: the directory it lies in is immutable", what);
}

static void check_inside(struct run *run, const char *path, const char *what)
{
	int fd = open_directory(run->top, path);

	if (fd >= 0)
		check_directory(run, fd, what);
}

static void check_volume(struct run *run, const struct volume *volume)
{
	const char *path = escaped(volume->wanted->path);
	int fd = open_directory(run->top, volume->wanted->path);

	run->about = volume->wanted->name;
	check_directory(run, open_above(run->top, volume->wanted->path), words("volume %s", volume->wanted->name));
	if (fd < 0)
		return;
	if (is_immutable(fd))
		refuse(run, PLACE_READ_ONLY, "%s is immutable", path);
	close(fd);
	if (volume->live.read_only)
		refuse(run, VOLUME_READ_ONLY, "volume %s (%s) is read-only", volume->wanted->name, path);
}

void check_state_place(struct run *run)
{
	check_inside(run, STATE, STATE);
	check_inside(run, BOOTS, BOOTS);
	check_inside(run, STAGING, STAGING);
	if (!is_there(run->top, STATE))
		check_inside(run, ".", STATE);
}

void check_places(struct run *run)
{
	const char *archive = run->settings.archive;

	for (size_t i = 0; i < run->count; i++)
		check_volume(run, &run->volumes[i]);
	run->about = NULL;
	if (is_directory(run->top, archive))
		check_inside(run, archive, words("the archive %s", escaped(archive)));
	else if (is_there(run->top, archive))
		refuse(run, ARCHIVE_NOT_DIRECTORY, "the archive %s is not a directory", escaped(archive));
	else
		check_directory(run, open_above(run->top, archive), words("the archive %s", escaped(archive)));
}
