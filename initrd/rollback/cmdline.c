#define _GNU_SOURCE
#include "cmdline.h"

#include <string.h>

#include "forms.h"
#include "memory.h"
#include "text.h"

#define SPACE " \t\n"

/* What stands behind `key` in the word; NULL when it is another word. */
static const char *after(const char *word, const char *key)
{
	return begins_with(word, key) ? word + strlen(key) : NULL;
}

static bool gives_up(const char *word)
{
	static const char *const ways[] = { "noresume", "hibernate=noresume", "hibernate=no", NULL };

	return is_one_of(word, ways);
}

static void take(struct command_line *line, const char *word)
{
	const char *value;

	if ((value = after(word, "impermanence=")))
		line->wish = value;
	else if ((value = after(word, "root=block:")) || (value = after(word, "root=")))
		line->root = value;
	else if ((value = after(word, "rootflags=")))
		line->root_flags = value;
	else if ((value = after(word, "resume_offset=")))
		line->resume_offset = value;
	else if ((value = after(word, "resume="))) {
		line->resume = grown(line->resume, line->resumes, sizeof *line->resume);
		line->resume[line->resumes++] = value;
	} else if (gives_up(word))
		line->no_resume = true;
}

/* As the kernel does it: quotes may stand around a whole word, or around its value. */
static char *unquoted(char *word)
{
	char *to = word;

	for (const char *from = word; *from; from++)
		if (*from != '"')
			*to++ = *from;
	*to = '\0';
	return word;
}

static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, SPACE), *end = word;
	bool quoted = false;

	if (*word == '\0')
		return NULL;
	for (; *end && (quoted || !strchr(SPACE, *end)); end++)
		if (*end == '"')
			quoted = !quoted;
	*rest = end + (*end != '\0');
	*end = '\0';
	return unquoted(word);
}

struct command_line read_command_line(const char *file)
{
	struct command_line line = { .wish = "", .root_flags = "" };
	char *rest = text_of(file);

	for (const char *word; (word = next_word(&rest));)
		take(&line, word);
	return line;
}

const char *mount_option(const char *options, const char *name)
{
	size_t length = strlen(name);
	const char *value = NULL;

	while (*options) {
		size_t end = strcspn(options, ",");

		if (strncmp(options, name, length) == 0 && options[length] == '=')
			value = keep_bytes(options + length + 1, end - length - 1);
		options += end + (options[end] == ',');
	}
	return value;
}
