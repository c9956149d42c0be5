#define _GNU_SOURCE
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forms.h"
#include "memory.h"

#define UNIT "sysroot.mount"
#define SPACE " \t"

/* Where systemd looks for units, the first first; R stands for the directory /run. */
static const char *const places[] = {
	"R/systemd/generator.early", "/etc/systemd/system",	"R/systemd/system",
	"R/systemd/generator",	     "/usr/lib/systemd/system", "R/systemd/generator.late",
};

#define PLACES (sizeof places / sizeof *places)

static const char *in_place(size_t place, const char *run, const char *name)
{
	if (places[place][0] == 'R')
		return words("%s%s/%s", run, places[place] + 1, name);
	return words("%s/%s", places[place], name);
}

/* A specifier's % is written twice. */
static char *plain(const char *value)
{
	char *text = words("%s", value), *to = text;

	for (const char *from = text; *from; from++) {
		*to++ = *from;
		if (from[0] == '%' && from[1] == '%')
			from++;
	}
	*to = '\0';
	return text;
}

static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, SPACE);
	length = strlen(text);
	while (length > 0 && strchr(SPACE, text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* A line of the section [Mount]. */
static void take_setting(struct planned_mount *mount, char *line)
{
	char *equals = strchr(line, '=');
	const char *key;

	if (!equals)
		return;
	*equals = '\0';
	key = trimmed(line);
	if (strcmp(key, "What") == 0)
		mount->what = plain(trimmed(equals + 1));
	if (strcmp(key, "Options") == 0)
		mount->options = plain(trimmed(equals + 1));
}

/* A line that ends with a backslash goes on in the next one. */
static bool read_logical_line(FILE *file, char **line, size_t *room)
{
	ssize_t length = getline(line, room, file);
	char *more = NULL;
	size_t more_room = 0;

	if (length < 0)
		return false;
	(*line)[strcspn(*line, "\n")] = '\0';
	while ((length = (ssize_t)strlen(*line)) > 0 && (*line)[length - 1] == '\\' &&
	       getline(&more, &more_room, file) >= 0) {
		char *joined;

		(*line)[length - 1] = ' ';
		more[strcspn(more, "\n")] = '\0';
		if (asprintf(&joined, "%s%s", *line, more) < 0)
			break;
		free(*line);
		*line = joined;
		*room = strlen(joined) + 1;
	}
	free(more);
	return true;
}

static bool read_unit_file(const char *path, struct planned_mount *mount)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	bool here = false;

	if (!file)
		return false;
	while (read_logical_line(file, &line, &room)) {
		char *text = trimmed(line);

		if (text[0] == '[')
			here = strcmp(text, "[Mount]") == 0;
		else if (here && !strchr("#;", text[0]))
			take_setting(mount, text);
	}
	free(line);
	fclose(file);
	return true;
}

struct drop_in {
	const char *name, *path;
};

static int by_name(const void *one, const void *other)
{
	return strcmp(((const struct drop_in *)one)->name, ((const struct drop_in *)other)->name);
}

/* Of two files with one name, the one in the place that comes first counts. */
static bool is_shadowed(const struct drop_in *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

static void read_drop_ins(const char *run, struct planned_mount *mount)
{
	struct drop_in *list = NULL;
	size_t count = 0;

	for (size_t place = 0; place < PLACES; place++) {
		const char *path = in_place(place, run, UNIT ".d");
		DIR *directory = opendir(path);

		for (const struct dirent *entry; directory && (entry = readdir(directory));) {
			size_t length = strlen(entry->d_name);

			if (length < 5 || strcmp(entry->d_name + length - 5, ".conf") != 0 ||
			    is_shadowed(list, count, entry->d_name))
				continue;
			list = grown(list, count, sizeof *list);
			list[count].name = words("%s", entry->d_name);
			list[count++].path = words("%s/%s", path, entry->d_name);
		}
		if (directory)
			closedir(directory);
	}
	if (count)
		qsort(list, count, sizeof *list, by_name);
	for (size_t i = 0; i < count; i++)
		read_unit_file(list[i].path, mount);
}

bool read_sysroot_unit(const char *run, struct planned_mount *mount)
{
	*mount = (struct planned_mount){ .options = "" };
	for (size_t place = 0; place < PLACES; place++)
		if (read_unit_file(in_place(place, run, UNIT), mount)) {
			read_drop_ins(run, mount);
			return mount->what != NULL;
		}
	return false;
}

bool read_fstab(const char *file, const char *point, struct planned_mount *mount)
{
	FILE *fstab = setmntent(file, "re");
	bool found = false;

	/* Of two lines the later one lies on top. */
	for (const struct mntent *line; fstab && (line = getmntent(fstab));)
		if (strcmp(line->mnt_dir, point) == 0) {
			mount->what = words("%s", line->mnt_fsname);
			mount->options = words("%s", line->mnt_opts);
			found = true;
		}
	if (fstab)
		endmntent(fstab);
	return found;
}
