/* What the volumes are made of: their blanks, or old roots; and whether that can boot. */
#pragma once
#include "run.h"

struct problem {
	enum reason reason;
	const char *words;
};

/* Of every volume; it ends the run when one cannot boot.  `why` may get a word more. */
void choose_blanks(struct run *run, const char **why);
/* Whether what is at this path can be booted as the blank of a volume. */
bool blank_fits(struct run *run, const struct volume *volume, const char *path);
/* The largest number of an old root of the first volume; "0" where there is none, which nobody finds then. */
const char *newest_old_root(const struct run *run);
/* The old roots of the boot of that number; false, and `problem` says why they cannot be booted. */
bool choose_old_roots(struct run *run, const char *boot, struct problem *problem);
