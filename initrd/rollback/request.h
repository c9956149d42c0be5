/* next: the one-shot request for the next boot. */
#pragma once
#include "keyvalue.h"

struct request {
	const char *action, *id;
	const char *boot; /* number of the old root, for ACTION=boot */
	unsigned boots;	  /* for how many boots it holds */
};

extern const struct grammar request_grammar;
