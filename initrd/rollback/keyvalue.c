#define _GNU_SOURCE
#include "keyvalue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forms.h"
#include "memory.h"

#define KEYS 64 /* more than any section has */

/* The keys since the section began. */
struct section {
	const char *keys[KEYS];
	size_t count;
};

static int hexadecimal(char digit)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *found = digit ? strchr(digits, digit) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* What must be escaped: all that is not printable ASCII, and %; but a NUL does not exist. */
static bool wants_escape(int byte)
{
	return byte > 0 && (byte < ' ' || byte > '~' || byte == '%');
}

/* Take the escapes out, in place; false when one is wrong. */
static bool unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		int byte;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		if (hexadecimal(from[1]) < 0 || hexadecimal(from[2]) < 0)
			return false;
		byte = 16 * hexadecimal(from[1]) + hexadecimal(from[2]);
		if (!wants_escape(byte))
			return false;
		*to++ = (char)byte;
		from += 2;
	}
	*to = '\0';
	return true;
}

static bool is_key(const char *key)
{
	size_t length = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	return length > 0 && key[length] == '\0';
}

static bool is_repeated(const struct grammar *grammar, const char *key)
{
	return grammar->repeated && strcmp(grammar->repeated, key) == 0;
}

/* A key that is there for the second time? */
static bool seen(struct section *section, const char *key)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->keys[i], key) == 0)
			return true;
	if (section->count < KEYS)
		section->keys[section->count++] = key;
	return false;
}

/* One line, without its end; `equals` may be changed. */
static const char *take_line(const struct grammar *grammar, void *into, struct section *section, char *line,
			     size_t number)
{
	char *equals = strchr(line, '=');
	const char *fault;

	for (const unsigned char *byte = (const unsigned char *)line; *byte; byte++)
		if (*byte < ' ' || *byte > '~')
			return words("line %zu: has bytes that are not printable ASCII", number);
	if (equals)
		*equals = '\0';
	if (!equals || !is_key(line))
		return words("line %zu: not KEY=value", number);
	if (!unescape(equals + 1))
		return words("line %zu: a wrong escape", number);
	if (number == 1)
		return strcmp(line, "VERSION") == 0 && strcmp(equals + 1, "1") == 0 ? NO_FAULT :
										       "not of version 1";
	if (strcmp(line, grammar->section ? grammar->section : "VOLUME") == 0)
		section->count = 0;
	if (!is_repeated(grammar, line) && seen(section, line))
		return words("line %zu: %s for the second time", number, line);
	fault = grammar->take(into, line, equals + 1);
	return fault ? words("line %zu: %s %s", number, line, fault) : NO_FAULT;
}

static size_t largest_of(const struct grammar *grammar)
{
	return grammar->largest ? grammar->largest : LARGEST;
}

const char *parse(const struct grammar *grammar, void *into, const char *content, size_t size)
{
	struct section section = { .count = 0 };
	char *text = keep_bytes(content, size), *line = text;
	size_t number = 0;

	if (size == 0)
		return "the file is empty";
	if (size > largest_of(grammar))
		return words("larger than %zu bytes", largest_of(grammar));
	if (memchr(text, '\0', size))
		return "has bytes that are not printable ASCII";
	if (text[size - 1] != '\n')
		return "the last line has no end";
	while (line < text + size) {
		size_t length = strcspn(line, "\n");
		const char *fault;

		line[length] = '\0';
		fault = take_line(grammar, into, &section, line, ++number);
		if (fault)
			return fault;
		line += length + 1;
	}
	return grammar->complete(into);
}

char *read_plain_file(int directory, const char *path, size_t largest, size_t *size, const char **fault)
{
	int fd = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *content = keep(largest + 2);
	struct stat status;
	ssize_t got = 0;

	*size = 0;
	*fault = fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ? "not a regular file" : NO_FAULT;
	while (!*fault && *size <= largest && (got = read(fd, content + *size, largest + 1 - *size)) > 0)
		*size += (size_t)got;
	if (got < 0)
		*fault = "cannot be read";
	if (fd >= 0)
		close(fd);
	return *fault ? NULL : content;
}

const char *parse_file(const struct grammar *grammar, void *into, int directory, const char *path)
{
	const char *fault;
	size_t size;
	const char *content = read_plain_file(directory, path, largest_of(grammar), &size, &fault);

	return content ? parse(grammar, into, content, size) : fault;
}
