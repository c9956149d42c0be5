#define _GNU_SOURCE
/* The end of a run: the record, the result in /run, the log, and the exit status. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover.h"
#include "log.h"
#include "memory.h"
#include "result.h"
#include "run.h"
#include "state.h"

static bool is(const char *action, const char *other)
{
	return strcmp(action, other) == 0;
}

/* The boot goes on as somebody has asked for it, here or in the configuration. */
static bool obeys(const char *action)
{
	return is(action, "wiped") || is(action, "booted") || is(action, "kept") || is(action, "trial");
}

const char *record_text(struct run *run, const char *boot_id)
{
	struct record record = run->mine;

	record.boot_id = boot_id;
	record.time = run->time;
	record.release = run->release;
	if (!record.request)
		record.left = NULL;
	if (!run->adopted && !is(record.action, "other"))
		for (size_t i = 0; i < run->count; i++)
			add_told(&record, run->volumes[i].told);
	return compose(&record);
}

int write_record(struct run *run)
{
	const char *text = record_text(run, run->boot_id_of_record);
	const char *path = words(BOOTS "/%s.env", run->mine.number);

	if (run->planned && is(text, run->plan_text)) {
		/* All went as planned: the plan becomes the record, in one step. */
		if (move(run->top, PLAN, path) != 0)
			return -1;
	} else {
		if (store(run, path, text) != 0)
			return -1;
		if (run->planned && put_aside(run, PLAN, words(BOOTS "/%s.plan", run->mine.number)) != 0)
			return -1;
	}
	if (run->mine.request && is(run->mine.left, "0") &&
	    put_aside(run, NEXT, words(BOOTS "/%s.next", run->mine.number)) != 0)
		return -1;
	return commit(run->top);
}

/* Leave the empty file that spares the running system a look at the result. */
static void tell_all_is_well(const struct run *run)
{
	int fd = open(words("%s/impermanence/as-asked", run->options.run), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
}

/* Write the result beside its place, unmount, and put it there: who sees it sees a filesystem that is free. */
static void tell_result(struct run *run)
{
	const char *place = words("%s/impermanence/rollback.env", run->options.run);
	const char *new = words("%s.new", place);
	const char *text = record_text(run, run->boot_id);
	FILE *file = fopen(new, "we");
	bool written = file && fputs(text, file) >= 0;

	if (file && fclose(file) != 0)
		written = false;
	leave(run);
	if (!written || rename(new, place) != 0)
		say(ERROR, "the result could not be put into %s", run->options.run);
	else if (!run->mine.hold && ((obeys(run->mine.action) && !run->mine.code) || is(run->mine.action, "off")))
		tell_all_is_well(run);
}

void leave(struct run *run)
{
	if (run->top < 0)
		return;
	close(run->top);
	run->top = -1;
	if (unmount(run->top_path) != 0)
		say(ERROR, "%s could not be unmounted: %s", run->top_path, strerror(errno));
}

static void tell_log(const struct run *run)
{
	const struct record *mine = &run->mine;
	const char *reason = mine->reason ? mine->reason : "";

	if (is(mine->action, "wiped") || is(mine->action, "booted"))
		say(NOTICE, "boot %s: %s%s%s", mine->number, mine->action, *reason ? ", " : "", reason);
	else if (is(mine->action, "refused") || is(mine->action, "failed"))
		say(ERROR, "%s: %s; %s", mine->action, reason,
		    run->kept_words ? run->kept_words : "the previous root boots");
	else
		say(is(mine->action, "other") ? WARNING : NOTICE, "%s: %s", mine->action, reason);
}

/* What the next boot would come to. */
static _Noreturn void foretell(const struct run *run, enum reason reason)
{
	const struct record *mine = &run->mine;

	printf("%s", mine->action);
	if (is(mine->action, "booted"))
		printf(" %s", mine->boot);
	if (mine->reason && *mine->reason)
		printf(": %s", mine->reason);
	putchar('\n');
	if (reason != NO_REASON)
		printf("REASON_CODE=%s\n", explain(reason)->word);
	if (reason != NO_REASON && run->about)
		printf("VOLUME=%s\n", run->about);
	exit(fflush(stdout) == 0 ? 0 : 1);
}

void end(struct run *run, const char *action, enum reason reason, const char *why)
{
	bool stops = run->stop && (is(action, "refused") || is(action, "failed"));

	run->mine.action = action;
	run->mine.reason = *why ? why : NULL;
	run->mine.code = reason == NO_REASON ? NULL : explain(reason)->word;
	if (run->options.examine)
		foretell(run, reason);
	tell_log(run);
	if (!run->recorded && run->writable && write_record(run) != 0) {
		say(ERROR, "the record of boot %s could not be written: %s", run->mine.number, strerror(errno));
		run->writable = false;
	}
	if (!run->writable)
		run->mine.number = NULL;
	if (run->top >= 0 && (obeys(action) || (run->known_root && !is(action, "other"))))
		hand_over(run);
	tell_result(run);
	if (stops)
		say(ERROR, "stopping here, as on-failure or on-missing-blank says");
	exit(stops ? 1 : 0);
}

void refuse(struct run *run, enum reason reason, const char *format, ...)
{
	va_list arguments;
	const char *why;

	va_start(arguments, format);
	why = vwords(format, arguments);
	va_end(arguments);
	end(run, explain(reason)->result, reason, why);
}

void fail(struct run *run, enum reason reason, const char *format, ...)
{
	const char *cause = strerror(errno), *why;
	va_list arguments;

	va_start(arguments, format);
	why = vwords(format, arguments);
	va_end(arguments);
	end(run, explain(reason)->result, reason, words("%s: %s", why, cause));
}
