#define _GNU_SOURCE
#include "choice.h"

#include <fcntl.h>
#include <string.h>

#include "forms.h"
#include "memory.h"
#include "numbers.h"
#include "release.h"
#include "request.h"
#include "source.h"
#include "state.h"

#define WISH "impermanence= on the kernel command line"
#define NUMBER 9 /* digits */

void check_wish(struct run *run)
{
	const char *wish = run->line.wish;

	if (strcmp(wish, "off") == 0)
		end(run, "off", OFF_ASKED, "impermanence=off on the kernel command line");
	if (strcmp(wish, PREVIOUS) == 0)
		return;
	if (begins_with(wish, "boot=")) {
		if (!is_number(wish + 5, NUMBER))
			refuse(run, COMMAND_LINE, "impermanence=boot= on the kernel command line has no number");
	} else if (wish[0] && strcmp(wish, "keep") != 0)
		refuse(run, COMMAND_LINE, WISH " is not off, keep, previous or boot=N");
}

bool wishes_old_root(const struct run *run)
{
	return begins_with(run->line.wish, "boot=") || strcmp(run->line.wish, PREVIOUS) == 0;
}

static bool is_last_request(const struct run *run, const char *id)
{
	return run->numbers.last_request && strcmp(run->numbers.last_request, id) == 0;
}

static enum choice choice_of(const char *action)
{
	if (strcmp(action, "keep") == 0)
		return KEEP;
	return strcmp(action, "boot") == 0 ? BOOT_OLD_ROOT : WIPE;
}

/* For how many boots the request in `next` still holds, this one included. */
static unsigned long take_request(struct run *run, struct decision *decision)
{
	struct request request = { 0 };
	const char *fault;
	unsigned long left;

	if (!is_there(run->top, NEXT))
		return 0;
	fault = parse_file(&request_grammar, &request, run->top, NEXT);
	if (fault)
		refuse(run, REQUEST_INVALID, "next: %s", fault);
	left = is_last_request(run, request.id) ? run->numbers.last_left : request.boots;
	if (left == 0) {
		if (!run->options.examine && put_aside(run, NEXT, words(BOOTS "/%ld.next", run->numbers.last)) != 0)
			fail(run, NOT_PUT_ASIDE, "the consumed request could not be put aside");
		return 0;
	}
	run->mine.request = request.id;
	*decision = (struct decision){ choice_of(request.action), "asked for", request.boot };
	return left;
}

/* The command line goes before the request, which waits; only one that is half obeyed has to be remembered
 * by this record. */
static unsigned long take_wish(struct run *run, struct decision *decision, unsigned long left)
{
	const char *wish = run->line.wish;

	if (run->mine.request && !is_last_request(run, run->mine.request)) {
		run->mine.request = NULL;
		left = 0;
	}
	*decision = (struct decision){ KEEP, WISH, NULL };
	if (begins_with(wish, "boot="))
		*decision = (struct decision){ BOOT_OLD_ROOT, WISH, wish + 5 };
	if (strcmp(wish, PREVIOUS) == 0)
		*decision = (struct decision){ BOOT_OLD_ROOT, WISH, newest_old_root(run) };
	return left;
}

/* Where nobody has asked for anything: what the boots before this one were like. */
static void judge_the_past(struct run *run, struct decision *decision)
{
	long good, bad[BAD_BOOTS];

	if (run->numbers.last_hold) {
		*decision = (struct decision){ KEEP, "held after boots that did not complete; ask for a wipe to go on",
					       NULL };
		return;
	}
	good = strcmp(run->settings.wipe, "yes") == 0 ? good_boot_to_fall_back_to(run, bad) : -1;
	if (good >= 0 && gives_way(run, good, bad))
		*decision = (struct decision){ GIVE_WAY, THREE_BAD " with a new blank; it gives way to the one before it",
						 words("%ld", good) };
	else if (good >= 0 && !has_given_way(run, bad))
		*decision = (struct decision){ FALL_BACK, THREE_BAD, words("%ld", good) };
}

struct decision choose(struct run *run)
{
	struct decision decision = { WIPE, "", NULL };
	unsigned long left = take_request(run, &decision);

	if (run->line.wish[0])
		left = take_wish(run, &decision, left);
	else if (left > 0)
		left--;
	run->mine.left = words("%lu", left);
	run->mine.hold = run->numbers.last_hold ? "yes" : NULL;
	if (decision.why[0]) {
		if (run->mine.request && decision.choice == WIPE)
			run->mine.hold = NULL;
	} else
		judge_the_past(run, &decision);
	if (run->missing) {
		if (decision.choice != BOOT_OLD_ROOT && decision.choice != GIVE_WAY)
			decision.choice = WIPE;
		decision.why = words("there was no volume %s", run->missing);
	}
	return decision;
}
