#define _GNU_SOURCE
#include "forms.h"

#include <stdio.h>
#include <string.h>

#include "memory.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define NAME_LENGTH 64
#define RELEASE_LENGTH 128

bool begins_with(const char *word, const char *beginning)
{
	return strncmp(word, beginning, strlen(beginning)) == 0;
}

static bool consists_of(const char *word, const char *letters, size_t most)
{
	size_t length = strspn(word, letters);

	return length > 0 && length <= most && word[length] == '\0';
}

bool is_number(const char *word, size_t digits)
{
	return consists_of(word, DIGITS, digits) && (word[0] != '0' || word[1] == '\0');
}

bool begins_with_uuid(const char *word)
{
	for (size_t i = 0; i < UUID_TEXT; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (word[i] == '\0' || (dash ? word[i] != '-' : !strchr(DIGITS "abcdef", word[i])))
			return false;
	}
	return true;
}

bool is_uuid(const char *word)
{
	return begins_with_uuid(word) && word[UUID_TEXT] == '\0';
}

bool is_name(const char *word)
{
	return consists_of(word, LETTERS DIGITS "._@-", NAME_LENGTH) && !strchr(".-", word[0]);
}

bool is_word(const char *word)
{
	return consists_of(word, LETTERS DIGITS "-", NAME_LENGTH);
}

/* Call `is` with each part between the slashes; "a//b" has an empty one. */
static bool any_part(const char *path, bool (*is)(const char *part, size_t length))
{
	for (;;) {
		size_t length = strcspn(path, "/");

		if (is(path, length))
			return true;
		if (path[length] == '\0')
			return false;
		path += length + 1;
	}
}

static bool is_parent(const char *part, size_t length)
{
	return length == 2 && part[0] == '.' && part[1] == '.';
}

static bool is_no_name(const char *part, size_t length)
{
	return length == 0 || (length == 1 && part[0] == '.') || is_parent(part, length);
}

bool is_path(const char *word)
{
	static const char unsafe[] = "\"'`$\\*?[](){}<>|&;!#";

	if (word[0] == '\0' || word[0] == '-' || inside(word, ".impermanence") || strpbrk(word, unsafe))
		return false;
	for (const unsigned char *byte = (const unsigned char *)word; *byte; byte++)
		if (*byte < ' ' || *byte == 0x7f)
			return false;
	return !any_part(word, is_no_name);
}

bool is_device(const char *word)
{
	return begins_with(word, "/dev/") && is_path(word + 1);
}

bool is_required(const char *word)
{
	return word[0] == '/' && !any_part(word, is_parent);
}

bool is_release(const char *word)
{
	size_t length = strlen(word);

	for (size_t i = 0; i < length; i++)
		if (word[i] < '!' || word[i] > '~')
			return false;
	return length > 0 && length <= RELEASE_LENGTH;
}

bool is_one_of(const char *word, const char *const *choices)
{
	for (; *choices; choices++)
		if (strcmp(word, *choices) == 0)
			return true;
	return false;
}

bool inside(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

void uuid_text(const unsigned char uuid[16], char text[UUID_TEXT + 1])
{
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		text += sprintf(text, "%02x", uuid[i]);
	}
}

const char *escaped(const char *bytes)
{
	char *text = keep(3 * strlen(bytes) + 1), *end = text;

	for (const unsigned char *byte = (const unsigned char *)bytes; *byte; byte++) {
		if (*byte < ' ' || *byte > '~' || *byte == '%')
			end += sprintf(end, "%%%02X", *byte);
		else
			*end++ = (char)*byte;
	}
	return text;
}
