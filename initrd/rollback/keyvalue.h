/* A file of KEY=value lines: never sourced, and wholly understood or not at all. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define LARGEST 65536 /* bytes of a file, unless its grammar says more */
#define NO_FAULT NULL
#define UNKNOWN_KEY "is unknown here"
#define WRONG_FORM "is not of the right form"

struct field {
	const char *key, *value; /* the value without its escapes */
};

/* Takes one field; returns what is wrong with it, NULL when nothing is. */
typedef const char *take_field(void *into, const char *key, const char *value);

struct grammar {
	take_field *take;
	/* Is the whole complete? What is wrong with it, or NULL. */
	const char *(*complete)(void *into);
	/* Keys that may be there more than once. */
	const char *repeated;
	/* The key that begins a section, in which others may come again; NULL: VOLUME. */
	const char *section;
	size_t largest; /* bytes; 0: LARGEST */
};

/* NULL when the content was taken; otherwise what is wrong with it, and where. */
const char *parse(const struct grammar *grammar, void *into, const char *content, size_t size);

/* The content of a plain file, at most `largest` + 1 bytes; NULL, and `fault` says why.  `directory` is a
 * descriptor or AT_FDCWD. */
char *read_plain_file(int directory, const char *path, size_t largest, size_t *size, const char **fault);
const char *parse_file(const struct grammar *grammar, void *into, int directory, const char *path);
