/* boots/N.env, staging/plan, and the same of this boot in /run: what a boot did with its volumes. */
#pragma once
#include "keyvalue.h"

#define NO_BOOT_ID "00000000-0000-0000-0000-000000000000" /* the life before the first record */

struct told {
	const char *name, *path;
	const char *uuid;		 /* of what boots */
	const char *source;		 /* what it was made of; "": nothing; NULL: it is the previous one */
	const char *source_uuid, *generation; /* when it was made */
	const char *old, *old_uuid;	 /* the archived life */
};

struct record {
	const char *number; /* NULL: no record was written; only in /run */
	const char *boot_id, *time, *release, *action;
	const char *reason, *code; /* as they stand in the file */
	const char *boot, *request, *left, *hold;
	const char **recovered;
	size_t recoveries;
	struct told *volumes;
	size_t count;
};

extern const struct grammar record_grammar;

/* The file's text. */
char *compose(const struct record *record);
void add_recovered(struct record *record, const char *path);
void add_told(struct record *record, struct told volume);
