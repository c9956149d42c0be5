/* Every volume is exchanged for a new one, all or none. */
#pragma once
#include "run.h"

#define NEW(name) words(STAGING "/next.%s", name)
#define UNDONE(name) words(STAGING "/undone.%s", name)

/* Do it, with the sources that were chosen; it ends the run. */
_Noreturn void switch_volumes(struct run *run, const char *action, const char *why);

/* What has the UUID gets the name LIVE, what had it the name NEW or OLD. */
bool exchange(struct run *run, const char *new, const char *live, const char *old, const char *uuid);
/* Where the subvolume with that UUID is, of a volume; NULL: nowhere that it may be. */
const char *locate(struct run *run, const struct told *volume, const char *uuid);
/* Move the old root to the archive, if it is not there; false when it could not be. */
bool archive_old(struct run *run, const struct told *volume);
