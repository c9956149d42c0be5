#define _GNU_SOURCE
#include "numbers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forms.h"
#include "memory.h"

#define DIGITS 9
#define LARGEST_NUMBER 999999999L
#define LOOK_BACK 1000 /* numbers */

long number_of(const char *name, const char **rest)
{
	size_t length = strspn(name, "0123456789");

	*rest = name + length;
	if (length == 0 || length > DIGITS || (name[0] == '0' && length > 1))
		return -1;
	return strtol(name, NULL, 10);
}

static void note(long *largest, long number)
{
	if (number > *largest)
		*largest = number;
}

/* Call `take` with every name in a directory that begins with a number. */
static void each_number(int top, const char *path, struct numbers *numbers,
			void (*take)(struct numbers *numbers, long number, const char *rest))
{
	int fd = open_directory(top, path);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const char *rest;

	for (const struct dirent *entry; directory && (entry = readdir(directory));) {
		long number = number_of(entry->d_name, &rest);

		if (number >= 0)
			take(numbers, number, rest);
	}
	if (directory)
		closedir(directory);
	else if (fd >= 0)
		close(fd);
}

static void take_of_boots(struct numbers *numbers, long number, const char *rest)
{
	if (rest[0] == '.')
		note(&numbers->highest, number);
	if (strcmp(rest, ".env") == 0)
		note(&numbers->last, number);
}

static void take_of_archive(struct numbers *numbers, long number, const char *rest)
{
	if (rest[0] == '-' &&
	    (begins_with_uuid(rest + 1) || begins_with(rest, "-unused-") || begins_with(rest, "-recovered-")))
		note(&numbers->archived, number);
}

void count_boots(struct run *run)
{
	struct numbers *numbers = &run->numbers;

	numbers->last = numbers->archived = -1;
	numbers->highest = 0;
	each_number(run->top, BOOTS, numbers, take_of_boots);
	each_number(run->top, run->settings.archive, numbers, take_of_archive);
	note(&numbers->highest, numbers->archived);
}

static void read_record_of(struct run *run, long number)
{
	const char *name = words("boots/%ld.env", number), *fault;
	struct record record = { 0 };

	fault = parse_file(&record_grammar, &record, run->top, words(STATE "/%s", name));
	if (fault)
		refuse(run, LAST_RECORD_INVALID, "%s: %s", name, fault);
	run->numbers.ended_boot_id = record.boot_id;
	run->numbers.last_request = record.request;
	run->numbers.last_left = record.left ? strtoul(record.left, NULL, 10) : 0;
	run->numbers.last_hold = record.hold != NULL;
}

void read_last_record(struct run *run)
{
	struct numbers *numbers = &run->numbers;

	numbers->ended_boot_id = NO_BOOT_ID;
	numbers->last_request = NULL;
	numbers->last_left = 0;
	numbers->last_hold = false;
	if (numbers->last >= 0) {
		read_record_of(run, numbers->last);
		numbers->ended = numbers->last;
	} else if (numbers->archived >= 0)
		/* The records are gone: a number that no life has had. */
		numbers->ended = ++numbers->highest;
	else
		numbers->ended = 0;
	numbers->mine = numbers->highest + 1;
	if (numbers->mine > LARGEST_NUMBER)
		refuse(run, NUMBERS_USED_UP, "there is no boot number after %ld", numbers->highest);
	run->mine.number = words("%ld", numbers->mine);
}

static bool has(const struct run *run, long number, const char *suffix)
{
	return is_there(run->top, words(BOOTS "/%ld.%s", number, suffix));
}

static void take_of_good(struct numbers *numbers, long number, const char *rest)
{
	if (strcmp(rest, ".good") == 0)
		note(&numbers->last, number);
}

long good_boot_to_fall_back_to(const struct run *run, long bad[BAD_BOOTS])
{
	struct numbers good = { .last = -1 };
	long last = run->numbers.last;
	int count = 0;

	for (long number = last; count < BAD_BOOTS; number--) {
		if (number <= 0 || number <= last - LOOK_BACK || has(run, number, "good"))
			return -1;
		if (has(run, number, "env"))
			bad[count++] = number;
	}
	each_number(run->top, BOOTS, &good, take_of_good);
	return good.last < last ? good.last : -1;
}

bool was_wiped_to(const struct run *run, long number, const char *volume, const char *uuid)
{
	struct record record = { 0 };

	if (parse_file(&record_grammar, &record, run->top, words(BOOTS "/%ld.env", number)) ||
	    strcmp(record.action, "wiped") != 0)
		return false;
	for (size_t i = 0; i < record.count; i++) {
		const struct told *told = &record.volumes[i];

		if (strcmp(told->name, volume) == 0)
			return told->source_uuid && strcmp(told->source_uuid, uuid) == 0;
	}
	return false;
}
