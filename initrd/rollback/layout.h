/* The layout is what the record says, and the switch will find all it needs: looked at before anything is made. */
#pragma once
#include "run.h"

/* Look at the volumes and their blanks; refuse what is not as recorded, or in use. */
void look_at_volumes(struct run *run);
/* Refuse where a read-only or immutable place would stop the switch halfway. */
void check_state_place(struct run *run);
void check_places(struct run *run);
