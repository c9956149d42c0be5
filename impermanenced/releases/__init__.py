"""The releases of the blanks: each blank is a release of its volume, with a number and a record.

    <blank>         what the next boot wipes to
    <blank>@N       release N, read-only, where that is not the blank
    <blank>@next    one that is on its way to its name

A release is made in staging/blank.next of the state directory, moves beside the blank while it is writable,
and becomes read-only there: BTRFS moves no read-only subvolume to another directory.  Then the record of the
hook names it and the one before, and the two exchange names.  Whatever reached the disk, the blank's name
holds one of the two that the record names, and the hook takes either (docs/rollback.md).

What a release is, its UUID says; names only say where it is.  A subvolume that no record of ours names is
left alone.
"""
