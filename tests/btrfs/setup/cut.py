"""Ends the command at one moment of its work, as a kill does: run in the machine, before the command.

    MOMENT or MOMENT:SIGNAL, and the words of the command

Moments are before and after each thing that it does to the disk or has others do.  What is counted is
wrapped here; nothing in the program knows of it.
"""

SCRIPT = """
import functools, os, signal, sys
import btrfsutil
from impermanenced import copying
from impermanenced.kernel.btrfs import delete
from impermanenced.system import atomic, command

LAST, _, SIGNAL = sys.argv.pop(1).partition(":")
count = 0
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it


def moment():
    global count
    count += 1
    if count == int(LAST):
        os.kill(os.getpid(), int(SIGNAL or signal.SIGKILL))


def watched(function):
    @functools.wraps(function)
    def called(*arguments, **named):
        moment()
        try:
            return function(*arguments, **named)
        finally:
            moment()
    return called


for module, names in (
    (atomic, ["replace"]),
    (command, ["run"]),
    (copying, ["copy", "remove"]),
    (delete, ["snap_destroy"]),
    (btrfsutil, ["create_subvolume", "create_snapshot", "set_subvolume_read_only", "sync"]),
    (os, ["rename", "unlink", "mkdir", "makedirs", "rmdir", "chmod", "truncate"]),
):
    for name in names:
        setattr(module, name, watched(getattr(module, name)))

from impermanenced.cli.main import command as main
code = main()
print(count, file=sys.stderr)
sys.exit(code)
"""
