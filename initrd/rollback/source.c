#define _GNU_SOURCE
#include "source.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forms.h"
#include "log.h"
#include "memory.h"
#include "numbers.h"

static const char *const module_directories[] = { "lib", "usr/lib" };

static bool is_directory_at(int root, const char *path)
{
	return root >= 0 && is_directory(root, path);
}

/* Whether a root has such a path; a symbolic link is one, whatever it points to, and those on the way are its own. */
static bool has_path(int root, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash[1] ? slash + 1 : ".";
	int parent = root < 0 ? -1 : open_inside(root, keep_bytes(path, (size_t)(slash - path)), O_PATH | O_DIRECTORY);
	bool has = parent >= 0 && is_there(parent, name);

	if (parent >= 0)
		close(parent);
	return has;
}

static bool has_any_modules(int root, const char *base)
{
	int fd = root < 0 ? -1 : open_directory(root, words("%s/modules", base));
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	bool has = false;

	for (const struct dirent *entry; directory && !has && (entry = readdir(directory));)
		has = entry->d_name[0] != '.' && is_directory(dirfd(directory), entry->d_name);
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
	return has;
}

/* A root that carries modules at all, or follows one that does, needs those of the kernel that runs.  An
 * absolute link would show the modules of the initrd. */
static bool lacks_modules(const struct run *run, int root, int live)
{
	bool carries = false, has = false;

	for (size_t i = 0; i < 2; i++) {
		const char *base = module_directories[i];
		const char *mine = words("%s/modules/%s", base, run->release);

		if (is_directory_at(live, base))
			carries = carries || is_directory(live, mine);
		if (is_directory_at(root, base)) {
			carries = carries || has_any_modules(root, base);
			has = has || is_directory(root, mine);
		}
	}
	return carries && !has;
}

/* Whether what is at `path` ("": an empty root) can be booted as this volume. */
static bool fits(struct run *run, const struct volume *volume, const char *path, bool blank, struct problem *problem)
{
	const struct wanted *wanted = volume->wanted;
	int root = path[0] ? open_directory(run->top, path) : -1;
	int live = open_directory(run->top, wanted->path);

	problem->words = NULL;
	for (size_t i = 0; i < wanted->required && !problem->words; i++)
		if (!has_path(root, wanted->require[i])) {
			problem->reason = blank ? BLANK_LACKS_PATH : OLD_ROOT_LACKS_PATH;
			problem->words = words("it has no %s", escaped(wanted->require[i]));
		}
	if (!problem->words && lacks_modules(run, root, live)) {
		problem->reason = blank ? BLANK_LACKS_MODULES : OLD_ROOT_LACKS_MODULES;
		problem->words = words("it has no modules for kernel %s", run->release);
	}
	if (root >= 0)
		close(root);
	if (live >= 0)
		close(live);
	return !problem->words;
}

bool blank_fits(struct run *run, const struct volume *volume, const char *path)
{
	struct problem problem;

	return fits(run, volume, path, true, &problem);
}

static struct problem look_at_blank(const struct volume *volume)
{
	const struct wanted *wanted = volume->wanted;

	if (!wanted->blank[0])
		return (struct problem){ NO_REASON, NULL };
	if (volume->blank.kind == NOTHING)
		return (struct problem){ BLANK_MISSING, "it is missing" };
	if (volume->blank.kind != SUBVOLUME)
		return (struct problem){ BLANK_NOT_SUBVOLUME, "it is not a subvolume" };
	if (!volume->blank.read_only)
		return (struct problem){ BLANK_WRITABLE, "it is not read-only" };
	if (wanted->blank_uuid && strcmp(wanted->blank_uuid, volume->blank.uuid) != 0 &&
	    !(wanted->before && strcmp(wanted->before_uuid, volume->blank.uuid) == 0))
		return (struct problem){ BLANK_REPLACED, "it is another one than recorded" };
	return (struct problem){ NO_REASON, NULL };
}

static void choose_blank(struct run *run, struct volume *volume, const char **why)
{
	/* The one that is about to be the blank, for --examine. */
	const char *blank = volume->instead ? volume->instead : volume->wanted->blank;
	struct problem problem = look_at_blank(volume);

	run->about = volume->wanted->name;
	if (problem.words && strcmp(run->settings.on_missing_blank, "create-empty") == 0) {
		*why = words("the blank of volume %s is made empty: %s", volume->wanted->name, problem.words);
		if (!run->options.examine)
			say(ERROR, "%s", *why);
		problem.words = NULL;
		blank = "";
	}
	if (!problem.words)
		fits(run, volume, blank, true, &problem);
	if (problem.words) {
		run->stop = strcmp(run->settings.on_missing_blank, "stop") == 0;
		refuse(run, problem.reason, "the blank %s of volume %s: %s", *blank ? escaped(blank) : "(empty)",
		       volume->wanted->name, problem.words);
	}
	run->about = NULL;
	volume->told.source = blank;
	volume->told.source_uuid = *blank ? words("%s", volume->blank.uuid) : NULL;
}

void choose_blanks(struct run *run, const char **why)
{
	for (size_t i = 0; i < run->count; i++)
		choose_blank(run, &run->volumes[i], why);
}

/* An entry of the archive is the old root of this boot and volume: NUMBER-BOOTID, and for all volumes but the
 * first .NAME behind it. */
static bool is_old_root(const char *entry, const char *boot, const char *suffix)
{
	const char *rest = entry + strlen(boot);

	return begins_with(entry, boot) && rest[0] == '-' && begins_with_uuid(rest + 1) &&
	       strcmp(rest + 1 + UUID_TEXT, suffix) == 0;
}

/* How many there are; the last of them to `found`. */
static unsigned find_old_root(struct run *run, const char *boot, const char *suffix, const char **found)
{
	int fd = open_directory(run->top, run->settings.archive);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	unsigned count = 0;

	for (const struct dirent *entry; directory && (entry = readdir(directory));)
		if (is_old_root(entry->d_name, boot, suffix)) {
			*found = words("%s/%s", run->settings.archive, entry->d_name);
			count++;
		}
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
	return count;
}

const char *newest_old_root(const struct run *run)
{
	int fd = open_directory(run->top, run->settings.archive);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const char *rest;
	long newest = 0;

	for (const struct dirent *entry; directory && (entry = readdir(directory));) {
		long number = number_of(entry->d_name, &rest);

		if (number > newest && is_old_root(entry->d_name, words("%ld", number), ""))
			newest = number;
	}
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
	return words("%ld", newest);
}

static bool choose_old_root(struct run *run, struct volume *volume, const char *boot, const char *suffix,
			    struct problem *problem)
{
	const char *name = volume->wanted->name, *path = NULL;
	unsigned count = find_old_root(run, boot, suffix, &path);
	struct found found;

	if (count == 0)
		*problem = (struct problem){ OLD_ROOT_MISSING, words("there is no old root %s of volume %s", boot, name) };
	if (count > 1)
		*problem = (struct problem){ OLD_ROOT_AMBIGUOUS,
					     words("there are several old roots %s of volume %s", boot, name) };
	if (count != 1)
		return false;
	found = look(run->top, path);
	if (found.kind != SUBVOLUME) {
		*problem = (struct problem){ OLD_ROOT_NOT_SUBVOLUME,
					     words("old root %s of volume %s is not a subvolume", boot, name) };
		return false;
	}
	if (!fits(run, volume, path, false, problem)) {
		problem->words = words("old root %s of volume %s: %s", boot, name, problem->words);
		return false;
	}
	volume->told.source = path;
	volume->told.source_uuid = words("%s", found.uuid);
	return true;
}

bool choose_old_roots(struct run *run, const char *boot, struct problem *problem)
{
	for (size_t i = 0; i < run->count; i++) {
		const char *suffix = i ? words(".%s", run->volumes[i].wanted->name) : "";

		if (!choose_old_root(run, &run->volumes[i], boot, suffix, problem))
			return false;
	}
	return true;
}
