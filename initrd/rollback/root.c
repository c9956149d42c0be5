#define _GNU_SOURCE
#include "root.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "memory.h"
#include "unit.h"

#define FSTAB "/etc/fstab"

static void take_command_line(struct run *run)
{
	run->root.said_by = "the kernel command line";
	run->root.device = run->line.root;
	run->root.options = run->line.root_flags;
}

static void take_mount(struct run *run, const char *who, const struct planned_mount *mount)
{
	run->root.said_by = who;
	run->root.device = mount->what;
	run->root.options = mount->options;
}

/* What an initrd with systemd mounts stands in a unit, whoever has made it of root=, an fstab, or the partitions. */
static void find_in_initrd(struct run *run)
{
	struct planned_mount mount;
	struct name name;

	if (read_sysroot_unit(run->options.run, &mount))
		take_mount(run, "sysroot.mount", &mount);
	else if (run->line.root && read_name(run->line.root, &name))
		take_command_line(run);
	else if (read_fstab(FSTAB, "/sysroot", &mount))
		take_mount(run, FSTAB, &mount);
	else if (run->line.root)
		take_command_line(run);
}

/* The next boot is foretold from the command line of this one, and from what it has mounted. */
static void find_in_running_system(struct run *run)
{
	struct mounts mounts = read_mounts();
	const struct mount *root = mounted_at(&mounts, "/");
	bool is_btrfs = root && root->subvolume != 0 && !run->options.device;
	struct name name;

	if (run->line.root && (read_name(run->line.root, &name) || !is_btrfs))
		take_command_line(run);
	else if (is_btrfs) {
		run->root.said_by = "the running system";
		run->root.device = root->source;
		run->root.options = run->line.root_flags;
	}
	if (is_btrfs)
		run->root.running = words("subvol=%s", root->root);
}

void find_root_mount(struct run *run)
{
	run->root = (struct root_mount){ .options = "" };
	if (run->options.examine)
		find_in_running_system(run);
	else
		find_in_initrd(run);
	/* Whoever names the device knows the filesystem; which subvolume of it boots, others say. */
	if (run->options.device)
		run->root.device = run->options.device;
}

/* Without the slashes that a path may have more than one of, and without what stands for the same place. */
static const char *cleaned(const char *path)
{
	char *text = words("%s", path), *to = text;

	for (const char *part = path; *part;) {
		size_t length = strcspn(part, "/");

		if (length > 0 && !(length == 1 && part[0] == '.')) {
			if (to > text)
				*to++ = '/';
			memcpy(to, part, length);
			to += length;
		}
		part += length + (part[length] == '/');
	}
	*to = '\0';
	return text;
}

/* The number of the subvolume that a path leads to, whatever links are on the way; 0: to none. */
static uint64_t number_at(struct run *run, const char *path)
{
	int fd = open_inside(run->top, path, O_RDONLY | O_DIRECTORY);
	struct stat status;
	struct found found = { 0 };

	if (fd < 0)
		return 0;
	if (fstat(fd, &status) == 0 && status.st_ino == 256)
		found = look_around(fd);
	close(fd);
	return found.id;
}

static _Noreturn void other_boots(struct run *run, const char *what)
{
	end(run, "other", OTHER_SUBVOLUME,
	    words("%s boots, as %s says, and is none of the volumes: nothing is touched", what, run->root.said_by));
}

static bool is_number_of_volume(const struct run *run, uint64_t number)
{
	for (size_t i = 0; i < run->count; i++)
		if (run->volumes[i].live.kind == SUBVOLUME && run->volumes[i].live.id == number)
			return true;
	return false;
}

static bool is_path_of_volume(const struct run *run, const char *path)
{
	for (size_t i = 0; i < run->count; i++)
		if (strcmp(run->volumes[i].wanted->path, path) == 0)
			return true;
	return false;
}

static void check_path(struct run *run, const char *path)
{
	const char *clean = cleaned(path);

	if (is_path_of_volume(run, clean))
		return;
	if (!is_number_of_volume(run, number_at(run, clean)))
		other_boots(run, words("subvol=%s", escaped(path)));
	refuse(run, BY_LINK, "subvol=%s leads to a volume on another way than by its own path", escaped(path));
}

static void check_default(struct run *run)
{
	uint64_t id = default_subvolume(run->top);

	/* Something in the initrd has named another one, and will again. */
	if (id == TOP_LEVEL && run->root.running)
		check_path(run, mount_option(run->root.running, "subvol"));
	else if (!is_number_of_volume(run, id))
		other_boots(run, id == TOP_LEVEL ? "the top level, because no subvol= names another," :
						   words("the default subvolume, number %llu,", (unsigned long long)id));
}

void check_that_a_volume_boots(struct run *run)
{
	const char *path = mount_option(run->root.options, "subvol");
	const char *number = mount_option(run->root.options, "subvolid");

	/* Nobody says what boots: then the record decides, which names this filesystem. */
	if (!run->root.said_by)
		return;
	/* As the kernel reads it: octal and hexadecimal too, and with both, both have to fit. */
	if (number && !is_number_of_volume(run, strtoull(number, NULL, 0)))
		other_boots(run, words("subvolid=%s", escaped(number)));
	if (path)
		check_path(run, path);
	else if (!number)
		check_default(run);
}

void check_that_the_name_decides(struct run *run)
{
	const char *path = mount_option(run->root.options, "subvol");
	const char *number = mount_option(run->root.options, "subvolid");
	uint64_t by_number = number ? strtoull(number, NULL, 0) : 0;
	uint64_t by_default = path || number ? 0 : default_subvolume(run->top);

	for (size_t i = 0; i < run->count; i++) {
		const struct volume *volume = &run->volumes[i];

		if (volume->live.kind != SUBVOLUME)
			continue;
		run->about = volume->wanted->name;
		if (by_number && by_number == volume->live.id)
			refuse(run, BY_NUMBER, "%s names volume %s by subvolid=, which the old root keeps",
			       run->root.said_by, volume->wanted->name);
		if (run->root.said_by && by_default == volume->live.id)
			refuse(run, BY_NUMBER, "volume %s is the default subvolume, and %s has no subvol=",
			       volume->wanted->name, run->root.said_by);
		run->about = NULL;
	}
}
