#define _GNU_SOURCE
#include "compiled.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "btrfs.h"
#include "forms.h"
#include "memory.h"
#include "sha256.h"

#define WRITABLE_BY_OTHERS (S_IWGRP | S_IWOTH)
#define LARGEST_FILE (1 << 20) /* bytes */
#define LARGEST_MANIFEST (1 << 20)
#define LONGEST_NAME 255

bool is_roots_alone(int fd, unsigned type)
{
	struct stat status;

	return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == type && status.st_uid == 0 &&
	       !(status.st_mode & WRITABLE_BY_OTHERS);
}

/* A name of a unit or of a file of tmpfiles.d, up to a slash or the end. */
static bool is_file_name(const char *name, size_t length)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\@-";

	return length > 0 && length <= LONGEST_NAME && name[0] != '.' && strspn(name, letters) >= length;
}

static bool ends_with(const char *name, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length > size && memcmp(name + length - size, end, size) == 0;
}

static bool is_compiled_path(const char *path)
{
	const char *name, *slash;

	if (strcmp(path, EARLY) == 0)
		return true;
	if (begins_with(path, "tmpfiles/"))
		return is_file_name(path + 9, strlen(path + 9));
	if (!begins_with(path, "units/"))
		return false;
	name = path + 6;
	slash = strchr(name, '/');
	if (!slash)
		return is_file_name(name, strlen(name));
	return is_file_name(name, (size_t)(slash - name)) && ends_with(name, (size_t)(slash - name), ".d") &&
	       is_file_name(slash + 1, strlen(slash + 1));
}

static bool is_sum(const char *word)
{
	return strlen(word) == SHA256_TEXT && strspn(word, "0123456789abcdef") == SHA256_TEXT;
}

static const char *take(void *into, const char *key, const char *value)
{
	struct compiled *compiled = into;

	if (strcmp(key, "FILE") == 0) {
		compiled->list = grown(compiled->list, compiled->count, sizeof *compiled->list);
		compiled->list[compiled->count++] = (struct compiled_file){ .path = value };
		return is_compiled_path(value) ? NO_FAULT : WRONG_FORM;
	}
	if (strcmp(key, "SUM") != 0 || compiled->count == 0)
		return UNKNOWN_KEY;
	compiled->list[compiled->count - 1].sum = value;
	return is_sum(value) ? NO_FAULT : WRONG_FORM;
}

static const char *complete(void *into)
{
	const struct compiled *compiled = into;

	for (size_t i = 0; i < compiled->count; i++)
		if (!compiled->list[i].sum)
			return words("%s has no SUM", escaped(compiled->list[i].path));
	return NO_FAULT;
}

const struct grammar manifest_grammar = {
	.take = take,
	.complete = complete,
	.section = "FILE",
	.largest = LARGEST_MANIFEST,
};

/* The file's content, as much as its status says that there is; NULL when that cannot be read. */
static const char *content_of(int fd, size_t *size)
{
	struct stat status;
	char *content;
	ssize_t got;

	*size = 0;
	if (fstat(fd, &status) != 0 || status.st_size > LARGEST_FILE)
		return NULL;
	content = keep((size_t)status.st_size + 1);
	while (*size < (size_t)status.st_size) {
		got = read(fd, content + *size, (size_t)status.st_size - *size);
		if (got <= 0)
			return NULL;
		*size += (size_t)got;
	}
	return content;
}

static const char *read_file(struct compiled_file *file, int directory)
{
	char sum[SHA256_TEXT + 1];
	int fd = open_beneath(directory, file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	const char *fault = NO_FAULT;

	if (fd < 0)
		return words("%s is not there", escaped(file->path));
	if (!is_roots_alone(fd, S_IFREG))
		fault = words("%s is not a file of root's alone", escaped(file->path));
	else if (!(file->content = content_of(fd, &file->size)))
		fault = words("%s cannot be read", escaped(file->path));
	close(fd);
	if (fault)
		return fault;
	sha256(file->content, file->size, sum);
	return strcmp(sum, file->sum) == 0 ? NO_FAULT : words("%s is not as it was written", escaped(file->path));
}

const char *read_compiled(struct compiled *compiled, int directory)
{
	const char *fault;

	if (!is_roots_alone(directory, S_IFDIR))
		return "the directory is not root's alone";
	fault = parse_file(&manifest_grammar, compiled, directory, MANIFEST);
	if (fault)
		return words("%s: %s", MANIFEST, fault);
	for (size_t i = 0; i < compiled->count && !fault; i++)
		fault = read_file(&compiled->list[i], directory);
	return fault;
}
