"""Why a boot did not do what it does otherwise (made by tools/reasons.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    code: str  # REASON_CODE= of a record
    result: str  # ACTION= of that record
    foretold: bool  # by impermanence-rollback --examine, before the boot
    sentence: str
    advice: str  # with names between braces, as `remedy.Names` has them
    commands: str = ""  # with such names, and " && " between them


REASONS = (
    Reason(
        "off-asked", "off", True,
        "impermanence=off is on the kernel command line",
        "nothing: the next boot without it rolls back again",
    ),
    Reason(
        "no-record", "off", True,
        "there is no rollback.env, in the initrd or on the disk",
        "set it up",
        "impermanence setup",
    ),
    Reason(
        "no-root", "off", True,
        "nothing says which filesystem boots",
        "name it: root= on the kernel command line, or DEVICE= in the record of the initrd",
    ),
    Reason(
        "other-subvolume", "other", True,
        "another subvolume boots than a volume of the record",
        "boot the volume: rootflags=subvol={volume}; for good, in the system that boots",
        "impermanence setup",
    ),
    Reason(
        "other-filesystem", "other", True,
        "another filesystem boots than that of the record",
        "in the system that boots, and a new initrd then",
        "impermanence setup",
    ),
    Reason(
        "command-line", "refused", True,
        "impermanence= on the kernel command line is not understood",
        "off, keep, previous or boot=N",
    ),
    Reason(
        "hibernation-image", "refused", False,
        "a hibernation image waits to be resumed",
        "resume it, or give it up with noresume",
    ),
    Reason(
        "root-mounted", "refused", False,
        "the root is mounted already",
        "have the program run before sysroot.mount",
    ),
    Reason(
        "record-invalid", "refused", True,
        "rollback.env is not understood",
        "write it anew",
        "impermanence setup",
    ),
    Reason(
        "no-device", "refused", True,
        "the device is not there",
        "look at root= and at what brings the device into the initrd",
    ),
    Reason(
        "device-incomplete", "refused", True,
        "a device of the filesystem is missing",
        "attach it: a degraded filesystem is not rolled back",
        "btrfs filesystem show",
    ),
    Reason(
        "several-devices", "refused", True,
        "several devices answer to one name without belonging to one filesystem",
        "detach the copy, give it another UUID (btrfstune -m), or name the device in root=",
        "btrfs filesystem show",
    ),
    Reason(
        "mount-failed", "refused", True,
        "the filesystem cannot be mounted",
        "look at the kernel log, and check the filesystem from a rescue system",
        "btrfs check --readonly {device}",
    ),
    Reason(
        "device-is-another", "refused", True,
        "the kernel has mounted another device than the one that was named",
        "detach the copy",
    ),
    Reason(
        "filesystem-changed", "refused", True,
        "the filesystem has another UUID than recorded",
        "when it was changed on purpose",
        "impermanence setup",
    ),
    Reason(
        "state-not-subvolume", "refused", True,
        ".impermanence is not a subvolume",
        "put it aside",
        "{top} && mv /mnt/.impermanence /mnt/.impermanence.aside && impermanence setup",
    ),
    Reason(
        "state-not-plain", "refused", True,
        "boots or staging in .impermanence is not a plain directory",
        "put aside which of the two is none, and run setup",
        "{top} && ls -l /mnt/.impermanence",
    ),
    Reason(
        "not-subvolume", "refused", True,
        "a volume is not a subvolume",
        "make {volume} one again, or change the configuration and run setup",
        "{top} && btrfs subvolume list /mnt",
    ),
    Reason(
        "link-in-path", "refused", True,
        "a symbolic link is on the way to a volume, blank or archive",
        "name the place itself in the configuration, and run setup",
        "{top} && ls -l /mnt",
    ),
    Reason(
        "volume-mounted", "refused", False,
        "a volume is mounted already",
        "have the program run before anything mounts it",
    ),
    Reason(
        "volume-read-only", "refused", True,
        "a volume is a read-only subvolume",
        "make it writable",
        "{top} && btrfs property set -ts /mnt/{volume} ro false",
    ),
    Reason(
        "place-read-only", "refused", True,
        "what a volume, the archive or .impermanence lies in is read-only or immutable",
        "make the place writable that was named, or chattr -i it",
        "{top} && btrfs property set -ts /mnt/PLACE ro false",
    ),
    Reason(
        "archive-not-directory", "refused", True,
        "the archive is not a directory",
        "put aside what has its name",
        "{top} && mv /mnt/{archive} /mnt/{archive}.aside",
    ),
    Reason(
        "last-record-invalid", "refused", True,
        "the record of the last boot is not understood",
        "put the newest file aside (mv); the boots go on counting",
        "{top} && ls -v /mnt/.impermanence/boots/",
    ),
    Reason(
        "plan-invalid", "refused", True,
        "the plan of a switch that was cut is not understood",
        "put the file aside; what it was about is archived then",
        "{top} && mv /mnt/.impermanence/staging/plan /root/",
    ),
    Reason(
        "request-invalid", "refused", True,
        "the request in next is not understood",
        "take it back",
        "impermanence next cancel",
    ),
    Reason(
        "numbers-used-up", "refused", True,
        "there is no number left for this boot",
        "look for a file with a wrong number in .impermanence/boots and in the archive",
        "{top} && ls -v /mnt/.impermanence/boots /mnt/{archive}",
    ),
    Reason(
        "by-number", "refused", True,
        "the boot finds a volume by its number, which the old root keeps",
        "name it: rootflags=subvol={volume} on the kernel command line, and no subvolid=",
    ),
    Reason(
        "by-link", "refused", True,
        "the boot finds the volume on another way than by its own path",
        "name its own path: rootflags=subvol={volume} on the kernel command line",
    ),
    Reason(
        "blank-missing", "refused", True,
        "a blank is missing",
        "take one again",
        "{top} && btrfs subvolume snapshot -r /mnt/{volume} /mnt/{blank} && impermanence setup",
    ),
    Reason(
        "blank-not-subvolume", "refused", True,
        "a blank is not a subvolume",
        "put it aside and take one again",
        "{top} && mv /mnt/{blank} /mnt/{blank}.aside && "
        "btrfs subvolume snapshot -r /mnt/{volume} /mnt/{blank} && impermanence setup",
    ),
    Reason(
        "blank-writable", "refused", True,
        "a blank can be written to",
        "look at what was written, then make it read-only",
        "{top} && btrfs property set -ts /mnt/{blank} ro true",
    ),
    Reason(
        "blank-replaced", "refused", True,
        "a blank is another one than recorded",
        "when it was replaced on purpose",
        "impermanence setup",
    ),
    Reason(
        "blank-lacks-path", "refused", True,
        "a blank lacks a path that the configuration requires",
        "put the path into the blank",
        "{top} && btrfs property set -ts /mnt/{blank} ro false && "
        "cp -a --parents PATH /mnt/{blank} && btrfs property set -ts /mnt/{blank} ro true",
    ),
    Reason(
        "blank-lacks-modules", "refused", True,
        "a blank has no modules for the kernel that runs",
        "put them into the blank",
        "{top} && btrfs property set -ts /mnt/{blank} ro false && "
        "cp -a /lib/modules/{kernel} /mnt/{blank}/{modules}/ && "
        "btrfs property set -ts /mnt/{blank} ro true",
    ),
    Reason(
        "old-root-missing", "refused", True,
        "the old root that was asked for is not there",
        "ask for another one, or for none",
        "impermanence boots && impermanence next cancel",
    ),
    Reason(
        "old-root-ambiguous", "refused", True,
        "there are several old roots of the number that was asked for",
        "put all but one aside",
        "{top} && ls /mnt/{archive}",
    ),
    Reason(
        "old-root-not-subvolume", "refused", True,
        "the old root that was asked for is not a subvolume",
        "ask for another one, or for none",
        "impermanence boots && impermanence next cancel",
    ),
    Reason(
        "old-root-lacks-path", "refused", True,
        "the old root lacks a path that the configuration requires",
        "ask for another one, or for none",
        "impermanence boots && impermanence next cancel",
    ),
    Reason(
        "old-root-lacks-modules", "refused", True,
        "the old root has no modules for the kernel that runs",
        "boot the kernel of that time, or ask for another old root",
        "impermanence boots",
    ),
    Reason(
        "not-writable", "failed", False,
        "the filesystem cannot be written",
        "look at the kernel log: the device may be read-only or failing",
        "journalctl --boot --dmesg",
    ),
    Reason(
        "state-not-made", "failed", False,
        ".impermanence, or a directory in it, or the archive, cannot be made",
        "make room, or look at the kernel log",
        "impermanence prune && btrfs filesystem usage /",
    ),
    Reason(
        "not-staged", "failed", False,
        "a new volume could not be made",
        "make room",
        "impermanence prune && btrfs filesystem usage /",
    ),
    Reason(
        "no-plan", "failed", False,
        "the plan could not be written",
        "make room",
        "impermanence prune && btrfs filesystem usage /",
    ),
    Reason(
        "not-exchanged", "failed", False,
        "a volume could not be exchanged",
        "make room",
        "impermanence prune && btrfs filesystem usage /",
    ),
    Reason(
        "not-recovered", "failed", False,
        "what a cut left could not be finished or put aside",
        "make room; the next boot tries again",
        "impermanence prune && btrfs filesystem usage /",
    ),
    Reason(
        "not-put-aside", "failed", False,
        "a consumed request could not be put aside",
        "make room",
        "impermanence prune && btrfs filesystem usage /",
    ),
    Reason(
        "blank-before", "wiped", False,
        "a new blank gave way to the release before it after three bad boots, or its promotion was cut",
        "see what it changed; the next change of the blank settles it",
        "impermanence doctor",
    ),
)
