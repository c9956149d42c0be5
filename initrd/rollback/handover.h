/* The compiled declarations, given to the system that starts: /run outlives the initrd. */
#pragma once
#include "run.h"

void hand_over(const struct run *run);
