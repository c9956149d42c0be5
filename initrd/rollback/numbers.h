/* The boots have numbers that count up and never come back. */
#pragma once
#include "run.h"

/* The numbers in boots/ and in the archive. */
void count_boots(struct run *run);
/* What the last record says, and the number of this boot. */
void read_last_record(struct run *run);
#define BAD_BOOTS 3

/* The last good boot, when three recorded ones since then were not; -1. Their numbers to `bad`. */
long good_boot_to_fall_back_to(const struct run *run, long bad[BAD_BOOTS]);
/* Whether that boot wiped the volume of this name to the blank with this UUID; false when nothing says so. */
bool was_wiped_to(const struct run *run, long number, const char *volume, const char *uuid);
/* The number that a name begins with, and what follows it; -1: it is none that a boot can have. */
long number_of(const char *name, const char **rest);
