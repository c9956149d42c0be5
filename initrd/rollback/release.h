/* The releases of a blank.  A new one under which no boot completes gives way to the one before it. */
#pragma once
#include "numbers.h"
#include "run.h"

/* Whether the boots that were bad are those of a new blank, and the one before it is there and can boot; it is
 * noted for every volume then. */
bool gives_way(struct run *run, long good, const long bad[BAD_BOOTS]);
/* Whether one of the bad boots was that of a blank that has given way: it says nothing of the one that is there. */
bool has_given_way(const struct run *run, const long bad[BAD_BOOTS]);
/* The new blank and the one before it change places; false when one of them could not. */
bool give_way(struct run *run);
/* Whether a volume is wiped to the release before the blank that its record names. */
bool is_before(const struct run *run);
