/* What a cut left is finished or undone. */
#pragma once
#include "run.h"

/* It ends the run when this boot takes over the switch of a boot that was cut. */
void recover(struct run *run);
