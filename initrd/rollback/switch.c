#define _GNU_SOURCE
#include "switch.h"

#include <errno.h>
#include <string.h>

#include "log.h"
#include "memory.h"
#include "reasons.h"
#include "release.h"
#include "result.h"
#include "state.h"

static bool has_uuid(int top, const char *path, const char *uuid)
{
	return strcmp(look(top, path).uuid, uuid) == 0;
}

/* Two renames, where nothing can exchange.  They are milliseconds apart, and in one transaction: the plan
 * has just been committed, and in an initrd nobody else commits. */
static bool rename_twice(struct run *run, const char *new, const char *live, const char *old)
{
	int error;

	if (move(run->top, live, old) != 0)
		return false;
	if (move(run->top, new, live) == 0)
		return true;
	/* A commit gives back the space that the steps before have used up. */
	if (commit(run->top) == 0 && move(run->top, new, live) == 0)
		return true;
	error = errno;
	if (!is_there(run->top, live) && move(run->top, old, live) != 0)
		say(CRITICAL, "%s has no name; the next boot puts it back", escaped(live));
	errno = error;
	return false;
}

bool exchange(struct run *run, const char *new, const char *live, const char *old, const char *uuid)
{
	int error = exchange_names(run->top, new, live) == 0 ? 0 : errno;
	struct found found = look(run->top, live);

	/* The UUID under the name decides, not what a call has returned. */
	if (strcmp(found.uuid, uuid) == 0)
		return true;
	errno = error;
	/* Who cannot see what has the name must not go on: a second exchange would undo the first. */
	if (error == 0 || found.kind != SUBVOLUME)
		return false;
	if (error == EINVAL || error == ENOSYS)
		return rename_twice(run, new, live, old);
	/* It can exchange and could not: for want of space, say, and two renames might find enough for one. */
	if (commit(run->top) != 0 || exchange_names(run->top, new, live) != 0)
		return has_uuid(run->top, live, uuid);
	return has_uuid(run->top, live, uuid);
}

const char *locate(struct run *run, const struct told *volume, const char *uuid)
{
	const char *places[] = { NEW(volume->name), UNDONE(volume->name), volume->path, volume->old };

	for (size_t i = 0; uuid && i < sizeof places / sizeof *places; i++)
		if (places[i] && has_uuid(run->top, places[i], uuid))
			return places[i];
	return NULL;
}

bool archive_old(struct run *run, const struct told *volume)
{
	const char *place = locate(run, volume, volume->old_uuid);

	if (!place || place == volume->path || place == volume->old)
		return true;
	return move(run->top, place, volume->old) == 0;
}

/* The record tells of the volumes as they are. */
static void forget_switch(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct told *told = &run->volumes[i].told;

		*told = (struct told){ .name = told->name, .path = told->path };
		if (run->volumes[i].live.kind == SUBVOLUME)
			told->uuid = words("%s", run->volumes[i].live.uuid);
	}
}

static bool stage(struct run *run, size_t i)
{
	struct volume *volume = &run->volumes[i];
	struct told *told = &volume->told;
	const char *new = NEW(told->name);
	struct found found;

	if ((told->source[0] ? make_snapshot(run->top, told->source, new) : make_subvolume(run->top, new)) != 0)
		return false;
	found = look(run->top, new);
	if (found.kind != SUBVOLUME || found.read_only)
		return false;
	told->uuid = words("%s", found.uuid);
	told->generation = words("%llu", (unsigned long long)found.generation);
	if (volume->live.kind == SUBVOLUME) {
		told->old = free_name(run, words("%s/%ld-%s%s%s", run->settings.archive, run->numbers.ended,
						 run->numbers.ended_boot_id, i ? "." : "", i ? told->name : ""));
		told->old_uuid = words("%s", volume->live.uuid);
	}
	return true;
}

static bool put_in_place(struct run *run, const struct told *told)
{
	const char *new = NEW(told->name);

	if (told->old)
		return exchange(run, new, told->path, told->old, told->uuid);
	return move(run->top, new, told->path) == 0;
}

/* Give a volume its old root back. */
static bool undo(struct run *run, const struct told *told, enum kind holds)
{
	const char *place;

	if (!told->old)
		return holds == NOTHING || move(run->top, told->path, UNDONE(told->name)) == 0;
	place = locate(run, told, told->old_uuid);
	if (!place)
		return false;
	if (holds == NOTHING)
		return move(run->top, place, told->path) == 0;
	return exchange(run, place, told->path, UNDONE(told->name), told->old_uuid);
}

static void undo_all(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct volume *volume = &run->volumes[i];
		struct found found = look(run->top, volume->told.path);

		if (found.kind != NOTHING && strcmp(found.uuid, volume->told.uuid) != 0)
			continue;
		if (undo(run, &volume->told, found.kind))
			continue;
		run->kept_words = words("volume %s could not be put back; the next boot finishes the switch",
					volume->told.name);
		say(CRITICAL, "%s", run->kept_words);
		volume->live = look(run->top, volume->told.path);
	}
	forget_switch(run);
}

static void stage_all(struct run *run)
{
	make_archive(run);
	for (size_t i = 0; i < run->count; i++)
		if (!stage(run, i)) {
			int error = errno;

			forget_switch(run);
			errno = error;
			fail(run, NOT_STAGED, "volume %s could not be staged", run->volumes[i].wanted->name);
		}
}

static void write_plan(struct run *run)
{
	run->plan_text = record_text(run, run->boot_id);
	if (store(run, PLAN, run->plan_text) != 0) {
		int error = errno;

		forget_switch(run);
		errno = error;
		fail(run, NO_PLAN, "the plan could not be written");
	}
	run->planned = true;
}

static void exchange_all(struct run *run)
{
	for (size_t i = 0; i < run->count; i++)
		if (!put_in_place(run, &run->volumes[i].told)) {
			int error = errno;

			undo_all(run);
			run->planned = false;
			errno = error;
			fail(run, NOT_EXCHANGED, "volume %s could not be exchanged", run->volumes[i].wanted->name);
		}
}

void switch_volumes(struct run *run, const char *action, const char *why)
{
	enum reason reason = strcmp(action, "wiped") == 0 && is_before(run) ? BLANK_BEFORE : NO_REASON;

	if (reason != NO_REASON && !*why)
		why = explain(reason)->sentence;
	run->mine.action = action;
	run->mine.reason = *why ? why : NULL;
	run->mine.code = reason == NO_REASON ? NULL : explain(reason)->word;
	stage_all(run);
	write_plan(run);
	exchange_all(run);
	for (size_t i = 0; i < run->count; i++)
		if (!archive_old(run, &run->volumes[i].told)) {
			run->planned = false;
			why = words("the old root of volume %s waits in staging", run->volumes[i].wanted->name);
		}
	end(run, action, reason, why);
}
