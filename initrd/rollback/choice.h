/* What this boot is asked for. */
#pragma once
#include "run.h"

enum choice { WIPE, KEEP, BOOT_OLD_ROOT, FALL_BACK };

struct decision {
	enum choice choice;
	const char *why;
	const char *boot; /* number of the old root */
};

/* From the kernel command line, the request, the hold, and the boots that were bad. */
struct decision choose(struct run *run);
/* Refuse an impermanence= that is not understood. */
void check_wish(struct run *run);
