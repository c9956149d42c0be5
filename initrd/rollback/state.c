#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "numbers.h"

static void check_plain(struct run *run, const char *path, const char *name)
{
	enum kind kind = look(run->top, path).kind;

	if (kind == NOTHING && !run->options.examine && make_directories(run->top, path) != 0)
		fail(run, STATE_NOT_MADE, "%s cannot be made", name);
	if (kind != DIRECTORY && kind != SUBVOLUME && kind != NOTHING)
		refuse(run, STATE_NOT_PLAIN, "%s in .impermanence is not a plain directory", name);
}

static int make_state(struct run *run)
{
	if (is_there(run->top, STATE))
		return 0;
	return make_subvolume(run->top, STATE) != 0 ? -1 : fchmodat(run->top, STATE, 0700, 0);
}

void open_state(struct run *run)
{
	count_boots(run);
	if (!run->options.examine) {
		if (remount_writable(run->top_path) != 0)
			fail(run, NOT_WRITABLE, "the filesystem cannot be written");
		if (make_state(run) != 0)
			fail(run, STATE_NOT_MADE, ".impermanence cannot be made");
	}
	check_plain(run, BOOTS, "boots");
	check_plain(run, STAGING, "staging");
	read_last_record(run);
	run->writable = !run->options.examine;
}

const char *free_name(struct run *run, const char *path)
{
	const char *name = path;

	for (unsigned try = 2; is_there(run->top, name); try++)
		name = words("%s-%u", path, try);
	return name;
}

static int write_all(int fd, const char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		ssize_t written = write(fd, text, left);

		if (written <= 0)
			return -1;
		text += written;
		left -= (size_t)written;
	}
	return 0;
}

int store(struct run *run, const char *path, const char *text)
{
	const char *new = words("%s.new", path);
	int fd = openat(run->top, new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int result = fd < 0 ? -1 : write_all(fd, text), error = errno;

	if (fd >= 0 && close(fd) != 0 && result == 0) {
		result = -1;
		error = errno;
	}
	errno = error;
	return result == 0 && commit(run->top) == 0 ? move(run->top, new, path) : -1;
}

int put_aside(struct run *run, const char *from, const char *to)
{
	return is_there(run->top, from) ? move(run->top, from, free_name(run, to)) : 0;
}

void make_archive(struct run *run)
{
	if (make_directories(run->top, run->settings.archive) != 0)
		fail(run, STATE_NOT_MADE, "the archive directory cannot be made");
}
