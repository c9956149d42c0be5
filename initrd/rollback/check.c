#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "compiled.h"
#include "early.h"
#include "request.h"

#define WRONG_USAGE 2

/* A grammar that prints what another takes. */
struct printing {
	const struct grammar *grammar;
	void *into;
};

static const char *take(void *into, const char *key, const char *value)
{
	struct printing *printing = into;

	printf("%s=%s\n", key, value);
	return printing->grammar->take(printing->into, key, value);
}

static const char *complete(void *into)
{
	struct printing *printing = into;

	return printing->grammar->complete(printing->into);
}

static int print(const struct grammar *grammar, void *into, const char *file)
{
	struct printing printing = { .grammar = grammar, .into = into };
	struct grammar printer = *grammar;
	const char *fault;

	printer.take = take;
	printer.complete = complete;
	puts("VERSION=1");
	fault = parse_file(&printer, &printing, AT_FDCWD, file);
	if (fault)
		fprintf(stderr, "%s: %s\n", file, fault);
	return fault != NULL;
}

int check(const struct options *options)
{
	struct settings settings = { 0 };
	struct request request = { 0 };
	struct record record = { 0 };
	struct early early = { 0 };
	struct compiled compiled = { 0 };

	if (strcmp(options->check_kind, "rollback") == 0)
		return print(&settings_grammar, &settings, options->check_file);
	if (strcmp(options->check_kind, "next") == 0)
		return print(&request_grammar, &request, options->check_file);
	if (strcmp(options->check_kind, "record") == 0)
		return print(&record_grammar, &record, options->check_file);
	if (strcmp(options->check_kind, "early") == 0)
		return print(&early_grammar, &early, options->check_file);
	if (strcmp(options->check_kind, "manifest") == 0)
		return print(&manifest_grammar, &compiled, options->check_file);
	fputs("impermanence-rollback: --check rollback|next|record|early|manifest FILE\n", stderr);
	return WRONG_USAGE;
}
