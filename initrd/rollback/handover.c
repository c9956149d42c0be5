#define _GNU_SOURCE
#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "compiled.h"
#include "forms.h"
#include "log.h"
#include "memory.h"

#define TARGET "impermanence.target" /* of all that is compiled */

/* Where the running system looks for it. */
static const char *place_of(const struct run *run, const char *path)
{
	if (begins_with(path, "units/"))
		return words("%s/systemd/system/%s", run->options.run, path + 6);
	if (begins_with(path, "tmpfiles/"))
		return words("%s/impermanence/tmpfiles.d/%s", run->options.run, path + 9);
	return words("%s/impermanence/%s", run->options.run, path);
}

static bool make_directory_of(const char *place)
{
	const char *slash = strrchr(place, '/');

	return make_directories(AT_FDCWD, keep_bytes(place, (size_t)(slash - place))) == 0;
}

static bool write_file(const char *place, const struct compiled_file *file)
{
	size_t written = 0;
	ssize_t more = 1;
	int fd;

	if (!make_directory_of(place))
		return false;
	fd = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	while (fd >= 0 && written < file->size && more > 0) {
		more = write(fd, file->content + written, file->size - written);
		written += more > 0 ? (size_t)more : 0;
	}
	return fd >= 0 && close(fd) == 0 && written == file->size;
}

/* Local filesystems wait for it, and go on without it. */
static bool want(const struct run *run)
{
	const char *place = words("%s/systemd/system/local-fs.target.wants/" TARGET, run->options.run);

	return make_directory_of(place) && (symlink("../" TARGET, place) == 0 || errno == EEXIST);
}

void hand_over(const struct run *run)
{
	struct compiled compiled = { 0 };
	int directory = open_directory(run->top, STATE "/" COMPILED);
	const char *fault;

	if (directory < 0) {
		if (errno != ENOENT)
			say(ERROR, "the compiled declarations cannot be opened: %s", strerror(errno));
		return;
	}
	fault = read_compiled(&compiled, directory);
	close(directory);
	if (fault) {
		say(ERROR, "no declaration is handed over, %s; impermanence apply compiles them anew", fault);
		return;
	}
	for (size_t i = 0; i < compiled.count; i++) {
		const struct compiled_file *file = &compiled.list[i];

		if (!write_file(place_of(run, file->path), file))
			say(ERROR, "%s was not handed over: %s", escaped(file->path), strerror(errno));
		else if (strcmp(file->path, "units/" TARGET) == 0 && !want(run))
			say(ERROR, "nothing waits for %s: %s", TARGET, strerror(errno));
	}
}
