/* The words of the kernel command line that matter here. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct command_line {
	const char *wish;	/* impermanence=; "" when it is not there */
	const char *root;	/* root=, without "block:"; NULL when it is not there */
	const char *root_flags; /* rootflags=; "" */
	const char *resume_offset;
	const char **resume; /* devices */
	size_t resumes;
	bool no_resume;
};

/* The last word of each kind counts, as for the kernel. */
struct command_line read_command_line(const char *file);

/* The value of the last option of that name in a list with commas, NULL when it is not there. */
const char *mount_option(const char *options, const char *name);
