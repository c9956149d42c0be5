/* The parsers of the program as a library, and as the target of a fuzzer with coverage feedback.
 *
 *   clang -fsanitize=fuzzer,... -DFUZZER: LLVMFuzzerTestOneInput takes the grammar from the first byte, and
 *   what a record says has to survive being written and read again. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../initrd/rollback/record.h"
#include "../../initrd/rollback/request.h"
#include "../../initrd/rollback/settings.h"

struct listing {
	const struct grammar *grammar;
	void *into;
	char *text;
	size_t used, room;
};

/* The values of the last file, as --check prints them. */
static char printed[4 * LARGEST];

static const char *take(void *into, const char *key, const char *value)
{
	struct listing *listing = into;

	listing->used += (size_t)snprintf(listing->text + listing->used, listing->room - listing->used, "%s=%s\n", key,
					  value);
	return listing->grammar->take(listing->into, key, value);
}

static const char *complete(void *into)
{
	struct listing *listing = into;

	return listing->grammar->complete(listing->into);
}

static const char *list(const struct grammar *grammar, void *into, const char *bytes, size_t size)
{
	struct listing listing = { .grammar = grammar, .into = into, .text = printed, .room = sizeof printed };
	struct grammar lister = { .take = take, .complete = complete, .repeated = grammar->repeated };

	printed[0] = '\0';
	return parse(&lister, &listing, bytes, size);
}

/* The values of a file of that kind (r: rollback, n: next, b: boot), NULL when it is refused. */
const char *values(char kind, const char *bytes, size_t size);
const char *values(char kind, const char *bytes, size_t size)
{
	struct settings settings = { 0 };
	struct request request = { 0 };
	struct record record = { 0 };
	const char *fault = kind == 'r' ? list(&settings_grammar, &settings, bytes, size) :
			    kind == 'n' ? list(&request_grammar, &request, bytes, size) :
					  list(&record_grammar, &record, bytes, size);

	return fault ? NULL : printed;
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = { 0 }, again = { 0 };
	const char *text;

	if (size == 0)
		return 0;
	values((char)data[0], (const char *)data + 1, size - 1);
	if (data[0] != 'b' || parse(&record_grammar, &record, (const char *)data + 1, size - 1))
		return 0;
	record.reason = NULL; /* stands in the structure as in the file, and was read without its escapes */
	text = compose(&record);
	if (parse(&record_grammar, &again, text, strlen(text)) || strcmp(compose(&again), text) != 0)
		abort();
	return 0;
}
#endif
