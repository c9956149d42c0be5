"""The adoption of what runs: `persist`, `unpersist`, `undo`, `ignore`, as jobs whose every step is recorded.

A persist, step by step; before each the record of the job is on the disk:

    copy      into a staging directory of the persist volume, compared with the original
    place     one rename to the source in the persist volume
    declare   a drop-in of its own in config.d, compiled for the next boot
    swap      a mount of the source over the path, or a link to it in the place of the path: programs see one
              or the other at any moment; with copies, nothing has to be swapped
    start     units that were stopped

Each step ends with a commit of the filesystem (syncfs).  A job that was cut is undone by the next run while
nothing was declared, and finished from then on.  What anybody has written is never removed: the original
stays beneath the mount, or at the top of the volume, and goes with the next wipe to the old root; what leaves
the persist volume goes to its trash.

An undo changes where something lives, never what it holds: a program that reads the path finds the same
before and after.

    ground     the system, and who is told and asked
    live       the path in the running system
    store      its place in the persist volume
    book       the records of all jobs
    checks     what keeps a path from being adopted
    changes    what was written meanwhile
    declared   the drop-in
    swap       what each method does at the path; `originals` has what a link has taken the place of
    persist    unpersist    run
"""
