/* Compiled units and tmpfiles lines, for the system that will start. */
#pragma once
#include "run.h"

/* Only plain files of root's are copied to /run. */
void hand_over(const struct run *run);
