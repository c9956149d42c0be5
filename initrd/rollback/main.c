/* Put the ephemeral volumes of a BTRFS filesystem back to their blanks, before the root is mounted.
 * docs/rollback.md has the steps, the files, and what every cut leaves behind.
 *
 * Whatever goes wrong, the previous root boots and the log says why.  Nothing is ever deleted here, and a
 * file that is not understood whole is not obeyed in part. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "choice.h"
#include "early.h"
#include "filesystem.h"
#include "hibernation.h"
#include "layout.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "recovery.h"
#include "release.h"
#include "root.h"
#include "source.h"
#include "state.h"
#include "switch.h"
#include "text.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define LATEST 999999999999 /* seconds: twelve digits */

static void know_this_boot(struct run *run)
{
	time_t now = time(NULL);
	struct utsname name;

	/* No clock at all is a clock in 1970. */
	run->time = words("%lld", now < 0 || now > LATEST ? 0LL : (long long)now);
	run->release = uname(&name) == 0 && is_release(name.release) ? words("%s", name.release) : "unknown";
	if (run->options.examine && run->options.release && is_release(run->options.release))
		run->release = run->options.release;
	run->boot_id = first_line_of(BOOT_ID);
	if (!is_uuid(run->boot_id))
		die("failed: no boot id in " BOOT_ID "; the previous root boots");
	run->boot_id_of_record = run->boot_id;
}

/* A oneshot that failed is started again when the root is mounted. */
static void run_once(struct run *run)
{
	const char *directory = words("%s/impermanence", run->options.run);
	const char *stamp = words("%s/boot-id", directory);
	bool written;
	FILE *file;

	if (strcmp(first_line_of(stamp), run->boot_id) == 0) {
		say(NOTICE, "has run in this boot");
		exit(0);
	}
	file = make_directories(AT_FDCWD, directory) == 0 ? fopen(stamp, "we") : NULL;
	written = file && fprintf(file, "%s\n", run->boot_id) > 0;
	if ((file && fclose(file) != 0) || !written) {
		say(ERROR, "failed: %s cannot be written; the previous root boots", run->options.run);
		exit(0);
	}
}

/* Reasons not even to mount. */
static void look_before_mounting(struct run *run)
{
	struct mounts mounts;
	const char *image;

	check_wish(run);
	if (run->options.examine)
		return;
	for (size_t i = 0; i < run->options.resumes; i++) {
		run->line.resume = grown(run->line.resume, run->line.resumes, sizeof *run->line.resume);
		run->line.resume[run->line.resumes++] = run->options.resume[i];
	}
	image = hibernation_image(&run->line, run->options.efivars);
	if (image)
		refuse(run, HIBERNATION_IMAGE, "a hibernation image waits in %s", escaped(image));
	mounts = read_mounts();
	if (mounted_at(&mounts, run->options.sysroot))
		refuse(run, ROOT_MOUNTED, "%s is mounted already", escaped(run->options.sysroot));
}

static void use_settings(struct run *run)
{
	const struct settings *settings = &run->settings;

	run->settings_known = true;
	run->stop = strcmp(settings->on_failure, "stop") == 0;
	run->count = settings->count;
	run->volumes = keep(run->count * sizeof *run->volumes);
	for (size_t i = 0; i < run->count; i++) {
		struct volume *volume = &run->volumes[i];

		volume->wanted = &settings->volumes[i];
		volume->told.name = volume->wanted->name;
		volume->told.path = volume->wanted->path;
	}
}

static void read_settings_of_initrd(struct run *run)
{
	const char *fault;

	if (!is_there(AT_FDCWD, run->options.record))
		return;
	fault = parse_file(&settings_grammar, &run->settings, AT_FDCWD, run->options.record);
	if (fault)
		refuse(run, RECORD_INVALID, "rollback.env of the initrd: %s", fault);
	run->settings_of_initrd = true;
	use_settings(run);
}

static void read_settings_of_disk(struct run *run)
{
	enum kind state = look(run->top, STATE).kind;
	const char *fault;

	if (state != NOTHING && state != SUBVOLUME)
		refuse(run, STATE_NOT_SUBVOLUME, ".impermanence is not a subvolume");
	if (run->settings_known)
		return;
	if (!is_there(run->top, ROLLBACK_ENV))
		end(run, "off", NO_RECORD, "no rollback.env in the initrd, and none on the disk");
	fault = parse_file(&settings_grammar, &run->settings, run->top, ROLLBACK_ENV);
	if (fault)
		refuse(run, RECORD_INVALID, "rollback.env: %s", fault);
	use_settings(run);
	if (run->settings.fsid && strcmp(run->settings.fsid, run->super.fsid) != 0)
		refuse(run, FILESYSTEM_CHANGED, "the filesystem is not %s, as rollback.env says, but %s",
		       run->settings.fsid, run->super.fsid);
}

static _Noreturn void boot_old_roots(struct run *run, const struct decision *decision)
{
	struct problem problem;

	run->mine.boot = decision->boot; /* also when it is refused: the request was for that one */
	check_that_the_name_decides(run);
	if (!choose_old_roots(run, decision->boot, &problem)) {
		run->stop = false; /* an old root that is gone is no reason to stop */
		refuse(run, problem.reason, "%s", problem.words);
	}
	if (run->options.examine)
		end(run, "booted", NO_REASON, decision->why);
	switch_volumes(run, "booted", decision->why);
}

/* The last good root instead of another bad boot; it returns when that cannot be booted. */
static void fall_back(struct run *run, const struct decision *decision)
{
	struct problem problem;

	check_that_the_name_decides(run);
	if (!choose_old_roots(run, decision->boot, &problem)) {
		say(ERROR, "%s, and the last good root cannot be booted: %s", decision->why, problem.words);
		return;
	}
	run->mine.hold = "yes";
	run->mine.boot = decision->boot;
	if (run->options.examine)
		end(run, "booted", NO_REASON, decision->why);
	say(ERROR, "%s; old root %s is booted and held", decision->why, decision->boot);
	switch_volumes(run, "booted", decision->why);
}

/* The blank that was before the new one is the blank again; if that cannot be, it falls back to a good root. */
static void change_blanks(struct run *run, struct decision *decision)
{
	check_that_the_name_decides(run);
	say(ERROR, "%s", decision->why);
	if (give_way(run))
		return;
	say(ERROR, "the blank could not be exchanged for the one before it");
	*decision = (struct decision){ FALL_BACK, THREE_BAD, decision->boot };
}

static _Noreturn void obey(struct run *run, struct decision decision)
{
	if (decision.choice == KEEP)
		end(run, "kept", NO_REASON, decision.why);
	check_places(run);
	if (decision.choice == BOOT_OLD_ROOT)
		boot_old_roots(run, &decision);
	if (decision.choice == GIVE_WAY && !run->options.examine)
		change_blanks(run, &decision);
	if (decision.choice == FALL_BACK)
		fall_back(run, &decision);
	if (strcmp(run->settings.wipe, "yes") != 0 && !run->missing)
		end(run, "trial", NO_REASON, "WIPE=no");
	check_that_the_name_decides(run);
	choose_blanks(run, &decision.why);
	if (run->options.examine)
		end(run, "wiped", NO_REASON, decision.why);
	switch_volumes(run, "wiped", decision.why);
}

int main(int count, char **arguments)
{
	static struct run run = { .top = -1 };

	run.options = read_options(count, arguments);
	if (run.options.check_kind)
		return check(&run.options);
	umask(022);
	log_to(run.options.examine ? NULL : run.options.log);
	if (run.options.early)
		return make_early_places(&run.options);
	run.top_path = words("%s/impermanence/top", run.options.run);
	if (!run.options.examine)
		on_death_unmount(run.top_path);
	know_this_boot(&run);
	if (!run.options.examine)
		run_once(&run);
	run.line = read_command_line(run.options.cmdline);
	look_before_mounting(&run);
	read_settings_of_initrd(&run);
	find_root_mount(&run);
	mount_root_filesystem(&run);
	read_settings_of_disk(&run);
	look_at_volumes(&run);
	check_that_a_volume_boots(&run);
	check_state_place(&run);
	run.known_root = true;
	open_state(&run);
	recover(&run);
	obey(&run, choose(&run));
}
