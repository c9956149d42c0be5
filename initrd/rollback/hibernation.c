#define _GNU_SOURCE
#include "hibernation.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "forms.h"
#include "memory.h"
#include "text.h"

#define PAGE UINT64_C(4096) /* of resume_offset= */
#define MARK 10		    /* bytes at the end of the first page of a swap area */
#define OFFSET_DIGITS 15

/* The first page of a swap area is as large as the pages of the kernel that made it. */
static const uint64_t pages[] = { 4096, 8192, 16384, 32768, 65536 };
static const char *const image_marks[] = { "S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001" };
/* The one mark of ordinary swap: what lies at other places is what was swapped out. */
static const char *const swap_marks[] = { "SWAPSPACE2", "SWAP-SPACE" };

static bool is_mark(const char *bytes, const char *const *marks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (begins_with(bytes, marks[i]))
			return true;
	return false;
}

static bool is_image(const char *device, uint64_t offset)
{
	int fd = open(device, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool image = false, swap = false;

	for (size_t i = 0; fd >= 0 && !image && !swap && i < sizeof pages / sizeof *pages; i++) {
		char bytes[MARK + 1] = { 0 };

		if (pread(fd, bytes, MARK, (off_t)(offset + pages[i] - MARK)) <= 0)
			break;
		image = is_mark(bytes, image_marks, sizeof image_marks / sizeof *image_marks);
		swap = is_mark(bytes, swap_marks, sizeof swap_marks / sizeof *swap_marks);
	}
	if (fd >= 0)
		close(fd);
	return image;
}

static const char *firmware_says(const char *efivars)
{
	DIR *variables = opendir(efivars);
	const char *found = NULL;

	for (const struct dirent *entry; variables && !found && (entry = readdir(variables));)
		if (begins_with(entry->d_name, "HibernateLocation-"))
			found = words("%s/%s", efivars, entry->d_name);
	if (variables)
		closedir(variables);
	return found;
}

/* The device that was written to /sys/power/resume; NULL when there is none. */
static const char *resume_of_kernel(void)
{
	const char *number = first_line_of("/sys/power/resume");

	return !number[0] || strcmp(number, "0:0") == 0 ? NULL : words("/dev/block/%s", number);
}

static bool waits_on(const char *written, uint64_t offset, const char **image)
{
	struct name name;
	const char *other;

	if (!read_name(written, &name) || find_device(&name, image, &other) == NOBODY)
		return false;
	return is_image(*image, offset);
}

const char *hibernation_image(const struct command_line *line, const char *efivars)
{
	const char *image = firmware_says(efivars), *kernel = resume_of_kernel();
	uint64_t offset = 0;

	if (line->no_resume)
		return NULL;
	if (image)
		return image;
	if (line->resume_offset && is_number(line->resume_offset, OFFSET_DIGITS))
		offset = strtoull(line->resume_offset, NULL, 10) * PAGE;
	if (kernel && waits_on(kernel, offset, &image))
		return image;
	for (size_t i = 0; i < line->resumes; i++)
		if (waits_on(line->resume[i], offset, &image))
			return image;
	return NULL;
}
