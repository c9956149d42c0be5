/* The filesystem that boots: found, whole, the one of the record, and mounted. */
#pragma once
#include "run.h"

/* Mount its top level, read-only; it ends the run where that is not the recorded one. */
void mount_root_filesystem(struct run *run);
