#define _GNU_SOURCE
#include "release.h"

#include <string.h>

#include "log.h"
#include "memory.h"
#include "source.h"

/* Where a release is between two steps of the running system, which gives it its place. */
#define PASSING(blank) words("%s@next", blank)

static const char *place_of_the_one_before(const struct run *run, const struct wanted *wanted)
{
	const char *places[] = { wanted->before, PASSING(wanted->blank) };

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct found found = look(run->top, places[i]);

		if (found.kind == SUBVOLUME && found.read_only && strcmp(found.uuid, wanted->before_uuid) == 0)
			return places[i];
	}
	return NULL;
}

/* The last good boot knew another blank, and all bad ones were wiped to this one. */
static bool has_failed(const struct run *run, const struct volume *volume, long good, const long bad[BAD_BOOTS])
{
	const struct wanted *wanted = volume->wanted;

	if (!wanted->before || strcmp(volume->blank.uuid, wanted->blank_uuid) != 0 ||
	    was_wiped_to(run, good, wanted->name, wanted->blank_uuid))
		return false;
	for (size_t i = 0; i < BAD_BOOTS; i++)
		if (!was_wiped_to(run, bad[i], wanted->name, wanted->blank_uuid))
			return false;
	return true;
}

bool gives_way(struct run *run, long good, const long bad[BAD_BOOTS])
{
	bool any = false;

	for (size_t i = 0; i < run->count; i++) {
		struct volume *volume = &run->volumes[i];
		const char *place;

		if (!has_failed(run, volume, good, bad))
			continue;
		place = place_of_the_one_before(run, volume->wanted);
		if (!place || !blank_fits(run, volume, place)) {
			if (!run->options.examine)
				say(ERROR, "the blank before the one of volume %s cannot be booted", volume->wanted->name);
			return false;
		}
		volume->instead = place;
		any = true;
	}
	return any;
}

bool has_given_way(const struct run *run, const long bad[BAD_BOOTS])
{
	for (size_t i = 0; i < run->count; i++) {
		const struct volume *volume = &run->volumes[i];
		const struct wanted *wanted = volume->wanted;

		if (!wanted->before || strcmp(volume->blank.uuid, wanted->before_uuid) != 0)
			continue;
		for (size_t j = 0; j < BAD_BOOTS; j++)
			if (was_wiped_to(run, bad[j], wanted->name, wanted->blank_uuid))
				return true;
	}
	return false;
}

bool give_way(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct volume *volume = &run->volumes[i];
		const struct wanted *wanted = volume->wanted;

		if (!volume->instead)
			continue;
		exchange_names(run->top, volume->instead, wanted->blank);
		volume->blank = look(run->top, wanted->blank);
		volume->instead = NULL;
		/* The UUID under the name decides, not what a call has returned. */
		if (strcmp(volume->blank.uuid, wanted->before_uuid) != 0)
			return false;
	}
	return true;
}

bool is_before(const struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct volume *volume = &run->volumes[i];

		if (volume->wanted->before && strcmp(volume->blank.uuid, volume->wanted->before_uuid) == 0)
			return true;
	}
	return false;
}
