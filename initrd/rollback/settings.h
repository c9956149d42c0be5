/* rollback.env: what the program needs to know; compiled from the configuration. */
#pragma once
#include "keyvalue.h"

struct wanted {
	const char *name;
	const char *path;	/* from the top level, as all of these */
	const char *blank;	/* "": an empty one is made; NULL: not said */
	const char *blank_uuid; /* NULL: any read-only one of that name */
	const char *before;	/* the blank's release before this one, beside it; NULL: there is none */
	const char *before_uuid;
	const char **require;	/* absolute paths that it must hold */
	size_t required;
};

struct settings {
	const char *fsid, *device, *archive, *wipe, *on_failure, *on_missing_blank;
	struct wanted *volumes;
	size_t count;
};

extern const struct grammar settings_grammar;
