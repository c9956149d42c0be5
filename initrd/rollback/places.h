/* One place in the mounted root: made where nothing is, mounted from its source. */
#pragma once
#include "early.h"

/* The directories that a place is made of. */
struct sides {
	int root;	   /* the mounted root */
	int writable_root; /* the same by a mount of its own that can be written, -1: none */
	int top;	   /* the top level, writable */
};

/* The same directory by a mount of its own that can be written; -1: it cannot be had. */
int open_writable(int directory);
/* NULL, or why it is not as it should be. */
const char *make_place(const struct place *place, const struct sides *sides);
