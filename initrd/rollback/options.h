#pragma once
#include "run.h"

/* Exits with status 2 on wrong usage. */
struct options read_options(int count, char **arguments);
