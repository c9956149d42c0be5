#pragma once
#include "run.h"

/* Print what the program reads in a file, or why it refuses it; the exit status. */
int check(const struct options *options);
