"""The exceptions that this project raises on purpose.

    ImpermanenceError            1  org.impermanence.Error.Failed
    ├── UsageError               2  org.impermanence.Error.InvalidArgument
    ├── ConfigError              1  org.impermanence.Error.Config
    ├── RecordError              1  org.impermanence.Error.Record
    ├── CommandError             1  org.impermanence.Error.Failed
    ├── ServiceError             1  org.impermanence.Error.Service
    ├── TooMany                  1  org.impermanence.Error.Failed
    ├── Cancelled                1  org.impermanence.Error.Failed
    ├── NotPermitted             4  org.impermanence.Error.NotPermitted
    └── NotSetUp                 5  org.impermanence.Error.NotSetUp

The number is the exit code of the command line.  Errors of the kernel stay `OSError` with errno
and paths; only the command line and the bus turn them into words.
"""

from __future__ import annotations


class ImpermanenceError(Exception):
    """An error in one line for a person: what, where and why; `hint` says what to do next."""

    exit_code = 1
    dbus_name = "org.impermanence.Error.Failed"

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ImpermanenceError):
    """The caller asked for something that makes no sense, whatever the machine's state."""

    exit_code = 2
    dbus_name = "org.impermanence.Error.InvalidArgument"


class ConfigError(ImpermanenceError):
    """The configuration cannot be used; the message names the file and the key."""

    dbus_name = "org.impermanence.Error.Config"


class RecordError(ImpermanenceError):
    """A file shared with the initrd cannot be understood; the message names file and line."""

    dbus_name = "org.impermanence.Error.Record"


class CommandError(ImpermanenceError):
    """Another program failed; the message carries its name, status and last line of stderr."""


class ServiceError(ImpermanenceError):
    """The daemon, or the bus to it, did not do its part."""

    dbus_name = "org.impermanence.Error.Service"


class TooMany(ImpermanenceError):
    """There is more than the caller wants to hold in its memory."""


class Cancelled(ImpermanenceError):
    """The caller, or who sat before it, asked to stop; the message says what is left as it was."""


class NotPermitted(ImpermanenceError):
    """The caller may not do this; somebody else may."""

    exit_code = 4
    dbus_name = "org.impermanence.Error.NotPermitted"


class NotSetUp(ImpermanenceError):
    """The machine is not an impermanent one, or not yet: no BTRFS, no subvolume, no such blank."""

    exit_code = 5
    dbus_name = "org.impermanence.Error.NotSetUp"
