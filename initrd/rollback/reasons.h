/* The list of reasons; what each means stands in reasons.def. */
#pragma once

#define FORETOLD 1
#define UNFORETOLD 0

enum reason {
	NO_REASON,
#define REASON(name, word, result, foretold, sentence, advice) name,
#include "reasons.def"
#undef REASON
};

struct explained {
	const char *word, *result;
	int foretold; /* by --examine, before the boot */
	const char *sentence, *advice;
};

const struct explained *explain(enum reason reason);
