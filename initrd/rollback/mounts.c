#define _GNU_SOURCE
#include "mounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmdline.h"
#include "memory.h"

#define FIELDS 6 /* mount id, parent, device, root, mount point, options */

/* Take out the escapes \ooo, in place. */
static char *unescaped(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 3;
		} else
			*to++ = *from;
	}
	*to = '\0';
	return text;
}

static bool read_line(char *line, struct mount *mount)
{
	char *fields[FIELDS], *rest = line, *options, *source;
	const char *subvolume;

	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < FIELDS; i++)
		if (!(fields[i] = strsep(&rest, " ")))
			return false;
	/* Behind a dash: type, source, options of the superblock. */
	rest = rest ? strstr(rest, "- ") : NULL;
	if (!rest || !strsep(&rest, " ") || !strsep(&rest, " ") || !(source = strsep(&rest, " ")) || !rest)
		return false;
	options = rest;
	subvolume = mount_option(options, "subvolid");
	*mount = (struct mount){
		.device = words("%s", fields[2]),
		.root = words("%s", unescaped(fields[3])),
		.point = words("%s", unescaped(fields[4])),
		.source = words("%s", unescaped(source)),
		.options = words("%s", options),
		.subvolume = subvolume ? strtoull(subvolume, NULL, 10) : 0,
	};
	return true;
}

struct mounts read_mounts(void)
{
	struct mounts mounts = { 0 };
	struct mount mount;
	char *line = NULL;
	size_t room = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");

	while (file && getline(&line, &room, file) > 0)
		if (read_line(line, &mount)) {
			mounts.list = grown(mounts.list, mounts.count, sizeof *mounts.list);
			mounts.list[mounts.count++] = mount;
		}
	free(line);
	if (file)
		fclose(file);
	return mounts;
}

const struct mount *mounted_at(const struct mounts *mounts, const char *point)
{
	for (size_t i = mounts->count; i-- > 0;)
		if (strcmp(mounts->list[i].point, point) == 0)
			return &mounts->list[i];
	return NULL;
}

bool is_in_use(const struct mounts *mounts, const char *device, uint64_t subvolume)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->list[i].subvolume == subvolume && strcmp(mounts->list[i].device, device) == 0)
			return true;
	return false;
}
