#define _GNU_SOURCE
#include "record.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forms.h"
#include "memory.h"

#define NUMBER 9 /* digits */
#define TIME 12
#define GENERATION 18

static const char *const actions[] = { "wiped",  "booted", "kept",  "trial", "refused",
				       "failed", "off",	   "other", NULL };
static const char *const yes[] = { "yes", NULL };

static bool is_boot_number(const char *value)
{
	return is_number(value, NUMBER);
}

static bool is_time(const char *value)
{
	return is_number(value, TIME);
}

static bool is_generation(const char *value)
{
	return is_number(value, GENERATION);
}

static bool is_action(const char *value)
{
	return is_one_of(value, actions);
}

static bool is_yes(const char *value)
{
	return is_one_of(value, yes);
}

static bool is_path_or_empty(const char *value)
{
	return value[0] == '\0' || is_path(value);
}

static bool is_anything(const char *value)
{
	return value != NULL;
}

struct key {
	const char *name;
	bool (*is)(const char *value);
	size_t offset; /* of the value in its structure */
	bool escapes;  /* may have bytes that are written with an escape */
};

#define HEAD(name, is, member, escapes) { name, is, offsetof(struct record, member), escapes }
#define VOLUME(name, is, member, escapes) { name, is, offsetof(struct told, member), escapes }

/* In the order in which they are written. */
static const struct key head_keys[] = {
	HEAD("NUMBER", is_boot_number, number, false),
	HEAD("BOOT_ID", is_uuid, boot_id, false),
	HEAD("TIME", is_time, time, false),
	HEAD("RELEASE", is_release, release, true),
	HEAD("ACTION", is_action, action, false),
	/* A reason is put together from words that are escaped where they have to be. */
	HEAD("REASON", is_anything, reason, false),
	HEAD("REASON_CODE", is_word, code, false),
	HEAD("BOOT", is_boot_number, boot, false),
	HEAD("REQUEST", is_word, request, false),
	HEAD("REQUEST_LEFT", is_boot_number, left, false),
	HEAD("HOLD", is_yes, hold, false),
};
static const struct key volume_keys[] = {
	VOLUME("VOLUME", is_name, name, false),
	VOLUME("SUBVOLUME", is_path, path, true),
	VOLUME("UUID", is_uuid, uuid, false),
	VOLUME("SOURCE", is_path_or_empty, source, true),
	VOLUME("SOURCE_UUID", is_uuid, source_uuid, false),
	VOLUME("GENERATION", is_generation, generation, false),
	VOLUME("OLD", is_path, old, true),
	VOLUME("OLD_UUID", is_uuid, old_uuid, false),
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char **member(const void *structure, size_t offset)
{
	return (const char **)(void *)((char *)(uintptr_t)structure + offset);
}

static const char *take_key(void *structure, const struct key *keys, size_t count, const char *key,
			    const char *value)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, key) == 0) {
			*member(structure, keys[i].offset) = value;
			return keys[i].is(value) ? NO_FAULT : WRONG_FORM;
		}
	return UNKNOWN_KEY;
}

void add_recovered(struct record *record, const char *path)
{
	record->recovered = grown(record->recovered, record->recoveries, sizeof *record->recovered);
	record->recovered[record->recoveries++] = path;
}

void add_told(struct record *record, struct told volume)
{
	record->volumes = grown(record->volumes, record->count, sizeof *record->volumes);
	record->volumes[record->count++] = volume;
}

static const char *take(void *into, const char *key, const char *value)
{
	struct record *record = into;

	if (strcmp(key, "VOLUME") == 0)
		add_told(record, (struct told){ .name = value });
	if (record->count > 0)
		return take_key(&record->volumes[record->count - 1], volume_keys, COUNT(volume_keys), key, value);
	if (strcmp(key, "RECOVERED") == 0) {
		add_recovered(record, value);
		return NO_FAULT;
	}
	return take_key(record, head_keys, COUNT(head_keys), key, value);
}

static const char *complete(void *into)
{
	const struct record *record = into;

	if (!record->boot_id || !record->time || !record->release || !record->action)
		return "BOOT_ID, TIME, RELEASE or ACTION is missing";
	for (size_t i = 0; i < record->count; i++)
		if (!record->volumes[i].path)
			return words("volume %s has no SUBVOLUME", record->volumes[i].name);
	return NO_FAULT;
}

const struct grammar record_grammar = { .take = take, .complete = complete, .repeated = "RECOVERED" };

static void add_keys(FILE *text, const void *structure, const struct key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *value = *member(structure, keys[i].offset);

		if (value)
			fprintf(text, "%s=%s\n", keys[i].name, keys[i].escapes ? escaped(value) : value);
	}
}

char *compose(const struct record *record)
{
	char *text = NULL, *kept;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return words("%s", "");
	fputs("VERSION=1\n", stream);
	add_keys(stream, record, head_keys, COUNT(head_keys));
	for (size_t i = 0; i < record->recoveries; i++)
		fprintf(stream, "RECOVERED=%s\n", escaped(record->recovered[i]));
	for (size_t i = 0; i < record->count; i++)
		add_keys(stream, &record->volumes[i], volume_keys, COUNT(volume_keys));
	fclose(stream);
	kept = keep_bytes(text, size);
	free(text);
	return kept;
}
