#pragma once
#include "run.h"

/* The text of the record of this boot, or of one that was cut. */
const char *record_text(struct run *run, const char *boot_id);
/* boots/N.env, and what it makes superfluous is put aside; 0 or -1. */
int write_record(struct run *run);
/* Unmount, if anything is mounted. */
void leave(struct run *run);
