/* One run of the program: what it was told, what it has found, and what it has done. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "btrfs.h"
#include "cmdline.h"
#include "mounts.h"
#include "reasons.h"
#include "record.h"
#include "settings.h"
#include "superblock.h"

#define STATE ".impermanence"
#define BOOTS STATE "/boots"
#define STAGING STATE "/staging"
#define PLAN STAGING "/plan"
#define NEXT STATE "/next"
#define ROLLBACK_ENV STATE "/rollback.env"

struct options {
	const char *record, *device, *sysroot, *cmdline, *run, *log, *efivars, *release;
	const char **resume;
	size_t resumes;
	unsigned wait; /* seconds */
	bool examine, early;
	const char *check_kind, *check_file;
};

/* What the initrd will mount as root, as far as something says so. */
struct root_mount {
	const char *said_by; /* NULL: nobody */
	const char *device;  /* as it is named; NULL: nobody names one */
	const char *options; /* of the mount */
	const char *running; /* --examine: those of the root that runs; NULL: it is none */
};

struct volume {
	const struct wanted *wanted;
	struct found live, blank;
	const char *instead; /* the release before the blank, where the blank gives way to it */
	struct told told; /* for the record of this boot */
};

/* Numbers of the boots before this one; -1: there is none. */
struct numbers {
	long highest, last, archived;
	long mine, ended; /* `ended` is the boot whose life is archived */
	const char *ended_boot_id;
	const char *last_request;
	unsigned long last_left;
	bool last_hold;
};

struct run {
	struct options options;
	struct command_line line;
	struct root_mount root;
	struct settings settings;
	bool settings_known, settings_of_initrd;
	bool known_root; /* what boots is one of the volumes, and what is in the state directory is of it */
	bool stop;	 /* a failure stops the boot */

	const char *boot_id, *release, *time;
	const char *device; /* that is mounted */
	struct superblock super;
	const char *top_path;
	int top; /* a descriptor on the top level, -1: not mounted */
	struct mounts mounts;
	const char *device_number; /* of what is mounted at top_path */

	struct volume *volumes;
	size_t count;
	const char *missing; /* a volume that is not there */
	const char *about;   /* the volume that is looked at, for --examine */
	struct numbers numbers;

	struct record mine;
	const char *boot_id_of_record; /* another boot's, whose switch is finished */
	bool writable; /* a record can be written */
	bool planned;  /* staging/plan is that of this switch */
	bool recorded; /* boots/N.env is written */
	bool adopted;  /* this boot takes over the volumes of a plan */
	const char *plan_text;
	const char *kept_words; /* what boots, when not the previous root */
};

/* The result, and why; they end the program. */
_Noreturn void end(struct run *run, const char *action, enum reason reason, const char *why);
_Noreturn void refuse(struct run *run, enum reason reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* With what errno says behind it. */
_Noreturn void fail(struct run *run, enum reason reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
