#define _GNU_SOURCE
#include "handover.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forms.h"
#include "log.h"
#include "memory.h"

#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)

static bool is_roots(int fd, mode_t type, struct stat *status)
{
	return fstat(fd, status) == 0 && (status->st_mode & S_IFMT) == type && status->st_uid == 0 &&
	       !(status->st_mode & WRITABLE_BY_OTHERS);
}

static bool copy(int from, int to, off_t left)
{
	while (left > 0) {
		ssize_t copied = sendfile(to, from, NULL, (size_t)left);

		if (copied <= 0)
			return false;
		left -= copied;
	}
	return true;
}

static bool copy_file(int from, const char *name, int to)
{
	int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), target = -1;
	struct stat status;
	bool copied = false;

	if (source >= 0 && is_name(name) && is_roots(source, S_IFREG, &status)) {
		target = openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
		copied = target >= 0 && copy(source, target, status.st_size);
	}
	if (source >= 0)
		close(source);
	if (target >= 0)
		close(target);
	return copied;
}

static void copy_files(const struct run *run, const char *from, const char *to)
{
	int source = open_directory(run->top, from), target = -1;
	DIR *directory = NULL;
	struct stat status;

	if (source >= 0 && is_roots(source, S_IFDIR, &status) && make_directories(AT_FDCWD, to) == 0) {
		target = open_directory(AT_FDCWD, to);
		directory = fdopendir(source);
	}
	for (const struct dirent *entry; directory && target >= 0 && (entry = readdir(directory));)
		if (entry->d_name[0] != '.' && entry->d_type != DT_DIR && entry->d_type != DT_LNK &&
		    !copy_file(dirfd(directory), entry->d_name, target))
			say(WARNING, "%s was not handed over", escaped(entry->d_name));
	if (directory)
		closedir(directory);
	else if (source >= 0)
		close(source);
	if (target >= 0)
		close(target);
}

void hand_over(const struct run *run)
{
	copy_files(run, STATE "/units", words("%s/systemd/system", run->options.run));
	copy_files(run, STATE "/tmpfiles", words("%s/tmpfiles.d", run->options.run));
}
