#define _GNU_SOURCE
#include "early.h"

#include <stdlib.h>
#include <string.h>

#include "forms.h"
#include "memory.h"

#define LARGEST_LIST (1 << 20) /* bytes */
#define DIGITS 10
#define MODE_DIGITS 4

static const char *const kinds[] = { "directory", "file", "link", NULL };

static const char *set(const char **into, const char *value, bool fits)
{
	*into = value;
	return fits ? NO_FAULT : WRONG_FORM;
}

/* A path in the root, absolute, without "." and "..". */
static bool is_place(const char *path)
{
	if (path[0] != '/' || !path[1])
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t length = strcspn(++part, "/");

		if (length == 0 || (part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'))))
			return false;
	}
	return true;
}

static const char *take_mode(struct place *place, const char *value)
{
	size_t length = strspn(value, "01234567");

	if (length != MODE_DIGITS || value[length])
		return WRONG_FORM;
	place->mode = (mode_t)strtoul(value, NULL, 8);
	return NO_FAULT;
}

static const char *take_id(unsigned *id, const char *value)
{
	if (!is_number(value, DIGITS) || strtoull(value, NULL, 10) >= UINT32_MAX)
		return WRONG_FORM;
	*id = (unsigned)strtoul(value, NULL, 10);
	return NO_FAULT;
}

static const char *take_field_of(struct place *place, const char *key, const char *value)
{
	if (strcmp(key, "KIND") == 0)
		return set(&place->kind, value, is_one_of(value, kinds));
	if (strcmp(key, "MODE") == 0)
		return take_mode(place, value);
	if (strcmp(key, "OWNER") == 0)
		return take_id(&place->uid, value);
	if (strcmp(key, "GROUP") == 0)
		return take_id(&place->gid, value);
	if (strcmp(key, "SOURCE") == 0)
		return set(&place->source, value, is_place(words("/%s", value)));
	if (strcmp(key, "OPTIONS") == 0)
		return set(&place->options, value, value[0] != '\0');
	if (strcmp(key, "TARGET") == 0)
		return set(&place->target, value, is_place(value));
	return UNKNOWN_KEY;
}

static const char *take(void *into, const char *key, const char *value)
{
	struct early *early = into;

	if (strcmp(key, "PLACE") == 0) {
		early->list = grown(early->list, early->count, sizeof *early->list);
		early->list[early->count++] = (struct place){ .path = value + 1, .mode = 0755 };
		return is_place(value) ? NO_FAULT : WRONG_FORM;
	}
	if (early->count)
		return take_field_of(&early->list[early->count - 1], key, value);
	if (strcmp(key, "FSID") == 0)
		return set(&early->fsid, value, is_uuid(value));
	return UNKNOWN_KEY;
}

static const char *complete(void *into)
{
	const struct early *early = into;

	if (!early->fsid)
		return "no FSID";
	for (size_t i = 0; i < early->count; i++) {
		const struct place *place = &early->list[i];
		bool link;

		if (!place->kind)
			return words("%s has no KIND", escaped(place->path));
		link = strcmp(place->kind, "link") == 0;
		if (link != (place->target != NULL) || (link && place->source))
			return words("%s has a TARGET and is no link, or the other way round", escaped(place->path));
	}
	return NO_FAULT;
}

const struct grammar early_grammar = {
	.take = take,
	.complete = complete,
	.section = "PLACE",
	.largest = LARGEST_LIST,
};
