#define _GNU_SOURCE
#include "text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"

#define MOST (1 << 16) /* bytes; the kernel's own limits are lower: a command line's, a page of /sys */

char *text_of(const char *path)
{
	static char room[MOST];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t got;

	while (fd >= 0 && size < sizeof room && (got = read(fd, room + size, sizeof room - size)) > 0)
		size += (size_t)got;
	if (fd >= 0)
		close(fd);
	return keep_bytes(room, size);
}

char *first_line_of(const char *path)
{
	char *text = text_of(path);

	text[strcspn(text, "\n")] = '\0';
	return text;
}
