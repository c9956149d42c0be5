/* What boots: which subvolume of which filesystem will be mounted as root. */
#pragma once
#include "run.h"

/* From the initrd's own mount unit, root= and rootflags=, or an fstab; in a running system from what runs. */
void find_root_mount(struct run *run);
/* It ends the run when what boots is none of the volumes. */
void check_that_a_volume_boots(struct run *run);
/* Refuse where the boot would find the old root, because it does not look for the volume by its name. */
void check_that_the_name_decides(struct run *run);
