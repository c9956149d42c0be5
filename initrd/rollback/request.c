#define _GNU_SOURCE
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "forms.h"

#define DIGITS 9

static const char *const actions[] = { "wipe", "keep", "boot", NULL };

static const char *take(void *into, const char *key, const char *value)
{
	struct request *request = into;

	if (strcmp(key, "ACTION") == 0) {
		request->action = value;
		return is_one_of(value, actions) ? NO_FAULT : WRONG_FORM;
	}
	if (strcmp(key, "ID") == 0) {
		request->id = value;
		return is_word(value) ? NO_FAULT : WRONG_FORM;
	}
	if (strcmp(key, "BOOT") == 0) {
		request->boot = value;
		return is_number(value, DIGITS) ? NO_FAULT : WRONG_FORM;
	}
	if (strcmp(key, "BOOTS") == 0) {
		request->boots = is_number(value, DIGITS) ? (unsigned)strtoul(value, NULL, 10) : 0;
		return request->boots > 0 ? NO_FAULT : WRONG_FORM;
	}
	return strcmp(key, "VOLUME") == 0 ? "a request has no volume" : UNKNOWN_KEY;
}

static const char *complete(void *into)
{
	struct request *request = into;

	if (!request->action || !request->id)
		return "ACTION or ID is missing";
	if ((strcmp(request->action, "boot") == 0) != (request->boot != NULL))
		return "BOOT goes with ACTION=boot, and only with it";
	if (request->boots == 0)
		request->boots = 1;
	return NO_FAULT;
}

const struct grammar request_grammar = { .take = take, .complete = complete };
