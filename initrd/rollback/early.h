/* What is put into the root before its system starts: the list that was handed over with the units. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "keyvalue.h"
#include "run.h"

struct place {
	const char *path; /* in the root, without the slash in front */
	const char *kind; /* directory, file or link */
	mode_t mode;      /* what is made gets it, and the owner: what is there keeps its own */
	uid_t uid;
	gid_t gid;
	const char *source;  /* mounted there: a path from the top level; NULL: nothing is */
	const char *options; /* of that mount, NULL: none */
	const char *target;  /* of a link */
};

struct early {
	const char *fsid;
	struct place *list;
	size_t count;
};

extern const struct grammar early_grammar; /* into a struct early */

/* The whole second mode: --early.  The boot goes on whatever it comes to. */
int make_early_places(const struct options *options);
