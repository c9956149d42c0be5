/* What this boot is asked for. */
#pragma once
#include "run.h"

enum choice { WIPE, KEEP, BOOT_OLD_ROOT, FALL_BACK, GIVE_WAY };

/* The old root that was put away last, whatever its number: a boot menu need not know it. */
#define PREVIOUS "previous"
#define THREE_BAD "3 boots in a row did not complete"

struct decision {
	enum choice choice;
	const char *why;
	const char *boot; /* number of the old root; of the last good one, when the blank gives way */
};

/* From the kernel command line, the request, the hold, and the boots that were bad. */
struct decision choose(struct run *run);
/* Whether the kernel command line asks for an old root. */
bool wishes_old_root(const struct run *run);
/* Refuse an impermanence= that is not understood. */
void check_wish(struct run *run);
