#define _GNU_SOURCE
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forms.h"
#include "memory.h"

#define WRONG_USAGE 2
#define WAIT_DIGITS 6

static _Noreturn void usage(void)
{
	fputs("usage: impermanence-rollback [option value]...\n"
	      "       impermanence-rollback --examine [option value]...\n"
	      "       impermanence-rollback --early [option value]...\n"
	      "       impermanence-rollback --check rollback|next|record|early|manifest FILE\n"
	      "  --record FILE    the copy of rollback.env that goes before the one on the disk\n"
	      "                   (/etc/impermanence/rollback.env)\n"
	      "  --device DEVICE  the filesystem; default: what boots\n"
	      "  --resume DEVICE  one more device that may hold a hibernation image\n"
	      "  --sysroot DIR    where the root will be mounted (/sysroot)\n"
	      "  --wait SECONDS   how long the device may take to appear (30)\n"
	      "  --cmdline FILE   (/proc/cmdline)     --run DIR      (/run)\n"
	      "  --log FILE       (/dev/kmsg)         --efivars DIR  (/sys/firmware/efi/efivars)\n"
	      "  --release NAME   the kernel that boots next, for --examine; default: the one that runs\n"
	      "--examine prints what the next boot would decide, and changes nothing.\n"
	      "--early puts into the mounted root what was handed over to be there before its system starts.\n"
	      "--check prints what a file says, or why it is refused.\n",
	      stderr);
	exit(WRONG_USAGE);
}

/* The place for the value of an option; NULL when there is no such option. */
static const char **place_of(struct options *options, const char *option)
{
	const struct {
		const char *option;
		const char **place;
	} places[] = {
		{ "--record", &options->record },   { "--device", &options->device },
		{ "--sysroot", &options->sysroot }, { "--cmdline", &options->cmdline },
		{ "--run", &options->run },	    { "--log", &options->log },
		{ "--efivars", &options->efivars }, { "--release", &options->release },
	};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (strcmp(places[i].option, option) == 0)
			return places[i].place;
	return NULL;
}

static void take(struct options *options, const char *option, const char *value)
{
	const char **place = place_of(options, option);

	if (place)
		*place = value;
	else if (strcmp(option, "--resume") == 0) {
		options->resume = grown(options->resume, options->resumes, sizeof *options->resume);
		options->resume[options->resumes++] = value;
	} else if (strcmp(option, "--wait") == 0 && is_number(value, WAIT_DIGITS))
		options->wait = (unsigned)strtoul(value, NULL, 10);
	else
		usage();
}

struct options read_options(int count, char **arguments)
{
	struct options options = {
		.record = "/etc/impermanence/rollback.env",
		.sysroot = "/sysroot",
		.wait = 30,
		.cmdline = "/proc/cmdline",
		.run = "/run",
		.log = "/dev/kmsg",
		.efivars = "/sys/firmware/efi/efivars",
	};

	for (int i = 1; i < count; i++) {
		if (strcmp(arguments[i], "--examine") == 0) {
			options.examine = true;
			continue;
		}
		if (strcmp(arguments[i], "--early") == 0) {
			options.early = true;
			continue;
		}
		if (i + 1 == count)
			usage();
		if (strcmp(arguments[i], "--check") == 0) {
			if (i + 3 != count)
				usage();
			options.check_kind = arguments[i + 1];
			options.check_file = arguments[i + 2];
			return options;
		}
		take(&options, arguments[i], arguments[i + 1]);
		i++;
	}
	return options;
}
