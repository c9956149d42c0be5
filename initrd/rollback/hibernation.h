/* Somebody may wait on a disk to be resumed: then nothing is even mounted. */
#pragma once
#include "cmdline.h"

/* Where a hibernation image is, NULL when there is none, or the user has given it up. */
const char *hibernation_image(const struct command_line *line, const char *efivars);
