/* The program runs once, for milliseconds, on files of at most 64 KiB: nothing is given back. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static struct kept {
	struct kept *before;
	_Alignas(max_align_t) char room[];
} *last;

void *keep(size_t size)
{
	struct kept *new = size < SIZE_MAX - sizeof *new ? calloc(1, sizeof *new + size) : NULL;

	if (!new)
		die("no memory");
	new->before = last;
	last = new;
	return new->room;
}

char *keep_bytes(const char *bytes, size_t size)
{
	char *room = keep(size + 1);

	memcpy(room, bytes, size);
	return room;
}

char *vwords(const char *format, va_list arguments)
{
	va_list again;
	char *room;
	int length;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		die("no memory");
	room = keep((size_t)length + 1);
	vsnprintf(room, (size_t)length + 1, format, arguments);
	return room;
}

char *words(const char *format, ...)
{
	va_list arguments;
	char *room;

	va_start(arguments, format);
	room = vwords(format, arguments);
	va_end(arguments);
	return room;
}

void *grown(void *list, size_t count, size_t size)
{
	void *room;

	/* Room for 8, 16, 32 ... */
	if (count == 0 || (count >= 8 && (count & (count - 1)) == 0)) {
		room = keep((count < 8 ? 8 : 2 * count) * size);
		if (count)
			memcpy(room, list, count * size);
		return room;
	}
	return list;
}
