/* The compiled declarations in .impermanence/compiled: whole, as they were written, or not at all. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "keyvalue.h"

#define COMPILED "compiled"
#define MANIFEST "manifest"
#define EARLY "early"

struct compiled_file {
	const char *path; /* units/NAME, units/NAME.d/NAME, tmpfiles/NAME or early */
	const char *sum;
	const char *content;
	size_t size;
};

struct compiled {
	struct compiled_file *list;
	size_t count;
};

extern const struct grammar manifest_grammar; /* into a struct compiled */

/* NULL, or why the files in this directory are not to be used. */
const char *read_compiled(struct compiled *compiled, int directory);
/* Root's, and nobody else may write to it. */
bool is_roots_alone(int fd, unsigned type);
