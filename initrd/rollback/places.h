/* One place in the mounted root: made where nothing is, mounted from its source. */
#pragma once
#include "early.h"

/* NULL, or why it is not as it should be.  `root` is the mounted root, `top` the top level, writable. */
const char *make_place(const struct place *place, int root, int top);
