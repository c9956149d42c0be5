#include "reasons.h"

static const struct explained reasons[] = {
	{ 0 },
#define REASON(name, word, result, foretold, sentence, advice) { word, result, foretold, sentence, advice },
#include "reasons.def"
#undef REASON
};

const struct explained *explain(enum reason reason)
{
	return &reasons[reason];
}
