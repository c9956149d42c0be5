#define _GNU_SOURCE
#include "recovery.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "choice.h"
#include "forms.h"
#include "layout.h"
#include "log.h"
#include "memory.h"
#include "numbers.h"
#include "result.h"
#include "state.h"
#include "switch.h"

struct judgement {
	bool forward; /* something has been switched, and all the rest can be */
	bool fresh;   /* nobody has used the new roots yet */
};

static void judge_volume(struct run *run, const struct told *told, struct judgement *judgement, bool *whole)
{
	struct found found;
	const char *place;

	if (!is_straight(run->top, told->path) || (told->old && !is_straight(run->top, told->old)))
		refuse(run, LINK_IN_PATH, "a symbolic link in the way of the plan");
	found = look(run->top, told->path);
	if (found.kind == SUBVOLUME && !run->options.examine &&
	    is_in_use(&run->mounts, run->device_number, found.id))
		refuse(run, VOLUME_MOUNTED, "volume %s is mounted already", told->name);
	if (found.kind == NOTHING || (told->uuid && strcmp(found.uuid, told->uuid) == 0))
		judgement->forward = true;
	place = locate(run, told, told->uuid);
	if (!place)
		*whole = false;
	else if (look(run->top, place).used)
		judgement->fresh = false;
}

static struct judgement judge(struct run *run, const struct record *plan)
{
	struct judgement judgement = { .forward = false, .fresh = true };
	bool whole = true;

	for (size_t i = 0; i < plan->count; i++)
		judge_volume(run, &plan->volumes[i], &judgement, &whole);
	judgement.forward = judgement.forward && whole;
	if (wishes_old_root(run))
		judgement.fresh = false;
	return judgement;
}

static void put_plan_aside(struct run *run, const struct record *plan)
{
	if (put_aside(run, PLAN, words(BOOTS "/%s.plan", plan->number)) != 0)
		fail(run, NOT_RECOVERED, "the plan could not be put aside");
}

/* As if nothing had been looked at before. */
static void look_again(struct run *run)
{
	look_at_volumes(run);
	count_boots(run);
	read_last_record(run);
}

/* Of one volume; false when what has its name is neither the old nor the new one. */
static bool finish_volume(struct run *run, const struct told *told)
{
	const char *new = locate(run, told, told->uuid);
	struct found found = look(run->top, told->path);
	bool known = true;

	if (found.kind == NOTHING) {
		if (move(run->top, new, told->path) != 0)
			fail(run, NOT_RECOVERED, "volume %s could not be put in its place", told->name);
	} else if (told->old && told->old_uuid && strcmp(found.uuid, told->old_uuid) == 0) {
		if (!exchange(run, new, told->path, told->old, told->uuid))
			fail(run, NOT_RECOVERED, "volume %s could not be exchanged", told->name);
	} else if (strcmp(found.uuid, told->uuid) != 0) {
		known = false;
		say(WARNING, "volume %s is neither the old nor the new one of the plan", told->name);
	}
	if (told->old && !archive_old(run, told))
		fail(run, NOT_RECOVERED, "the old root of volume %s could not be archived", told->name);
	return known;
}

static void take_over(struct run *run, const struct record *plan)
{
	const char **recovered = run->mine.recovered;
	size_t recoveries = run->mine.recoveries;

	run->mine = (struct record){
		.number = plan->number,
		.action = plan->action,
		.boot = plan->boot,
		.request = plan->request,
		.left = plan->left ? plan->left : "0",
		.hold = plan->hold,
		.recovered = recovered,
		.recoveries = recoveries,
		.volumes = plan->volumes,
		.count = plan->count,
	};
	run->adopted = true;
	run->planned = true;
	run->plan_text = "";
}

static void archive_leftovers(struct run *run);

/* That boot had a life: it gets its record, and the switch of this boot follows. */
static void record_cut_boot(struct run *run, const struct record *plan)
{
	take_over(run, plan);
	run->mine.reason = "finished by the next boot";
	run->boot_id_of_record = plan->boot_id;
	if (write_record(run) != 0)
		fail(run, NOT_RECOVERED, "the record of the boot that was cut could not be written");
	run->boot_id_of_record = run->boot_id;
	run->mine = (struct record){ 0 };
	run->adopted = run->planned = false;
}

static void finish(struct run *run, const struct record *plan, bool fresh)
{
	bool has_record = is_there(run->top, words(BOOTS "/%s.env", plan->number));

	if (run->options.examine) {
		if (fresh && !has_record) {
			take_over(run, plan);
			end(run, plan->action, NO_REASON, "what a cut has left is finished");
		}
		return;
	}
	say(WARNING, "finishing the switch of boot %s, which was cut", plan->number);
	make_archive(run);
	for (size_t i = 0; i < plan->count; i++)
		if (!finish_volume(run, &plan->volumes[i]))
			fresh = false;
	if (has_record)
		put_plan_aside(run, plan);
	else if (fresh) {
		/* The boot that was cut never ran: this boot takes its number and obeys the same request. */
		take_over(run, plan);
		archive_leftovers(run);
		end(run, plan->action, NO_REASON, "finished what a cut had left");
	} else
		record_cut_boot(run, plan);
	look_again(run);
}

/* Nothing was switched, or it cannot be finished: the old root stays. */
static void drop(struct run *run, const struct record *plan)
{
	if (run->options.examine)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		const struct told *told = &plan->volumes[i];
		const char *place;

		if (look(run->top, told->path).kind != NOTHING)
			continue;
		place = locate(run, told, told->old_uuid);
		if (place && move(run->top, place, told->path) != 0)
			fail(run, NOT_RECOVERED, "volume %s could not be put back", told->name);
	}
	put_plan_aside(run, plan);
	look_again(run);
}

static void archive_leftover(struct run *run, const char *name)
{
	const char *path = words(STAGING "/%s", name), *label = is_name(name) ? name : "leftover", *to;
	struct found found = look(run->top, path);

	if (found.kind != SUBVOLUME) {
		if (put_aside(run, path, words(BOOTS "/%s.recovered.%s", run->mine.number, label)) != 0)
			fail(run, NOT_RECOVERED, "something in staging could not be put aside");
		return;
	}
	make_archive(run);
	to = free_name(run, words("%s/%s-%s-%s.%s", run->settings.archive, run->mine.number,
				  found.used ? "recovered" : "unused", run->boot_id, label));
	if (move(run->top, path, to) != 0)
		fail(run, NOT_RECOVERED, "a subvolume in staging could not be archived");
	add_recovered(&run->mine, to);
	say(WARNING, "a subvolume in staging was archived as %s", escaped(strrchr(to, '/') + 1));
}

static void archive_leftovers(struct run *run)
{
	int fd = open_directory(run->top, STAGING);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const char **names = NULL;
	size_t count = 0;

	for (const struct dirent *entry; directory && (entry = readdir(directory));) {
		bool of_this_switch = run->planned && strcmp(entry->d_name, "plan") == 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || of_this_switch)
			continue;
		names = grown(names, count, sizeof *names);
		names[count++] = words("%s", entry->d_name);
	}
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < count; i++)
		archive_leftover(run, names[i]);
}

void recover(struct run *run)
{
	struct record plan = { 0 };
	struct judgement judgement;
	const char *fault;

	if (is_there(run->top, PLAN)) {
		fault = parse_file(&record_grammar, &plan, run->top, PLAN);
		if (!fault && !plan.number)
			fault = "it has no NUMBER";
		if (fault)
			refuse(run, PLAN_INVALID, "staging/plan: %s", fault);
		judgement = judge(run, &plan);
		if (judgement.forward)
			finish(run, &plan, judgement.fresh);
		else
			drop(run, &plan);
	}
	if (!run->options.examine)
		archive_leftovers(run);
}
