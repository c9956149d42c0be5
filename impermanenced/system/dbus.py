"""An object of ours on a Gio connection, and calls to the bus.

pydbus can publish objects, but it leaks each call, answers in one thread, sends exceptions under names of its
own and lets another process take a name away.  So clients use its connection, and this module does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, Final

from gi.repository import Gio, GLib

from ..errors import ImpermanenceError, ServiceError, UsageError
from ..lazy import NamedTuple

PROPERTIES = "org.freedesktop.DBus.Properties"
CALL_TIMEOUT = 5000  # milliseconds


class Address(NamedTuple):
    """Where a method call goes."""

    name: str  # of the service, or a connection's own
    path: str
    interface: str


BUS: Final = Address("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

# dbus-protocol.h
DBUS_NAME_FLAG_DO_NOT_QUEUE = 4
DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER = 1

# The first form of a registration keeps a reference to each invocation for ever, unless PyGObject has put a
# function of its own around it, which drops that reference.  GLib 2.84 has a second form, which keeps none.
_SECOND_FORM = hasattr(Gio.DBusConnection, "register_object_with_closures2")
_LEAKS = not _SECOND_FORM and not isinstance(Gio.DBusConnection.register_object, FunctionType)


def call(
    con: Any,
    to: Address,
    method: str,
    arguments: Any,
    answer: str,
    *,
    timeout: int = CALL_TIMEOUT,
    start: bool = False,
) -> Any:
    """Call a method, wait, and return the unpacked answer, a tuple of the type `answer`.

    `arguments` is a GLib.Variant of a tuple, or None; `timeout` is in milliseconds; with `start` the bus may
    start the service.  GLib.Error: there is no answer.
    """
    return con.call_sync(
        *to, method, arguments, GLib.VariantType(answer), _flags(start), timeout, None
    ).unpack()


def call_for_fd(con: Any, to: Address, method: str, arguments: Any, *, timeout: int = CALL_TIMEOUT) -> int:
    """Do as `call` does where the answer is one descriptor, which the caller of this has to close."""
    answer, fds = con.call_with_unix_fd_list_sync(
        *to, method, arguments, GLib.VariantType("(h)"), _flags(False), timeout, None, None
    )
    return int(fds.get(answer.unpack()[0]))


def get_property(con: Any, to: Address, name: str, *, timeout: int = CALL_TIMEOUT) -> Any:
    """Ask for a property of an interface and return its unpacked value; GLib.Error where nobody gives it."""
    properties = Address(to.name, to.path, PROPERTIES)
    arguments = GLib.Variant("(ss)", (to.interface, name))
    (value,) = call(con, properties, "Get", arguments, "(v)", timeout=timeout)
    return value


def get_properties(
    con: Any, to: Address, names: Sequence[str], *, timeout: int = CALL_TIMEOUT
) -> tuple[Any, ...]:
    """Return the unpacked values of these properties in their order, by one call; None for what the interface
    does not have.

    The others, which may be hundreds, are not unpacked.  GLib.Error: there is no answer.
    """
    answer = con.call_sync(
        to.name, to.path, PROPERTIES, "GetAll", GLib.Variant("(s)", (to.interface,)),
        GLib.VariantType("(a{sv})"), _flags(False), timeout, None,
    )  # fmt: skip
    every = answer.get_child_value(0)
    found = (every.lookup_value(name, None) for name in names)
    return tuple(None if value is None else value.unpack() for value in found)


def _flags(start: bool) -> Any:
    return Gio.DBusCallFlags.NONE if start else Gio.DBusCallFlags.NO_AUTO_START


class Call:
    """A method call that waits for its one answer, which any thread may give."""

    def __init__(self, invocation: Any, sender: str, parameters: Any) -> None:
        self.sender = sender
        self.parameters = parameters  # a GLib.Variant of the type in the interface
        self._invocation = invocation

    @property
    def interactive(self) -> bool:
        """Return whether the caller, who waits for an answer, allows a dialog."""
        flags = self._invocation.get_message().get_flags()
        return bool(flags & Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)

    @property
    def answered(self) -> bool:
        """Return whether the call has its answer."""
        return self._invocation is None

    def _finish(self, answer: Callable[[Any], None]) -> None:
        invocation, self._invocation = self._invocation, None
        answer(invocation)
        if _LEAKS:
            invocation._unref()

    def octets(self, index: int, most: int) -> bytes:
        """Return a parameter of type `ay`.  Raises UsageError if it has more than `most` bytes."""
        value = self.parameters.get_child_value(index)
        if value.get_size() > most:
            raise UsageError(f"an argument of {value.get_size()} bytes, {most} are the most")
        return bytes(value.get_data_as_bytes().get_data() or b"")

    def reply(self, value: Any) -> None:
        """Answer with a GLib.Variant."""
        self._finish(lambda invocation: invocation.return_value(value))

    def reply_fd(self, fd: int) -> None:
        """Answer with a single `h`; the descriptor stays the caller's."""
        fds = Gio.UnixFDList()
        index = fds.append(fd)
        self._finish(
            lambda invocation: invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (index,)), fds)
        )

    def drop(self) -> None:
        """Give no answer: the bus counts the call among those that its caller waits for."""
        self._finish(lambda invocation: None)

    def attempt(self, work: Callable[[], None]) -> None:
        """Run `work`, and answer with the error if it raises one.  An unexpected exception is
        raised again.
        """
        try:
            work()
        except (ImpermanenceError, OSError) as error:
            self.fail(error)
        except BaseException:
            if not self.answered:
                self.fail(None)
            raise

    def fail(self, error: BaseException | None) -> None:
        """Answer with an error; None stands for an internal one."""
        name, message = describe(error)
        self._finish(lambda invocation: invocation.return_dbus_error(name, message))


def describe(error: BaseException | None) -> tuple[str, str]:
    """Return the error name and the message; a hint follows on a line of its own."""
    if isinstance(error, ImpermanenceError):
        return error.dbus_name, error.message + (f"\nhint: {error.hint}" if error.hint else "")
    if isinstance(error, OSError):
        return ImpermanenceError.dbus_name, error.strerror or "input or output failed"
    return ImpermanenceError.dbus_name, "internal error, the journal of impermanenced has it"


Method = Callable[[Call], None]
Guard = Callable[[Call, Callable[[], None]], None]  # the call, and what is done with it if it may come in
Property = Callable[[], Any]


class Registration:
    """One object with one interface on the bus.

    A method gets the `Call` and answers it now or later; Gio has checked the types of its parameters.
    `guard` says which calls come that far.  Properties are read-only and return a `GLib.Variant`.
    """

    def __init__(
        self,
        con: Any,
        path: str,
        xml: str,
        methods: Mapping[str, Method] | None = None,
        properties: Mapping[str, Property] | None = None,
        guard: Guard = lambda call, enter: enter(),
    ) -> None:
        self._guard = guard
        interface = Gio.DBusNodeInfo.new_for_xml(xml).interfaces[0]
        self.con = con
        self._path = path
        self._interface = interface.name
        self.serve(methods or {}, properties or {})
        # Without functions of their own for properties, Gio checks names and access and then hands
        # org.freedesktop.DBus.Properties to the first one.
        register = con.register_object_with_closures2 if _SECOND_FORM else con.register_object
        self._id = register(path, interface, self._called, None, None)

    def serve(self, methods: Mapping[str, Method], properties: Mapping[str, Property]) -> None:
        """Begin to answer calls with these methods and properties."""
        self._methods = methods
        self._properties = properties

    def _called(
        self,
        _con: Any,
        sender: str,
        _path: str,
        interface: str,
        method: str,
        parameters: Any,
        invocation: Any,
    ) -> None:
        call = Call(invocation, sender, parameters)

        def enter() -> None:
            if interface == PROPERTIES:
                call.attempt(lambda: self._property(call, method, parameters.unpack()))
            else:
                call.attempt(lambda: self._methods[method](call))

        self._guard(call, enter)

    def _property(self, call: Call, method: str, arguments: tuple[str, ...]) -> None:
        if method == "Get":
            call.reply(GLib.Variant("(v)", (self._properties[arguments[1]](),)))
        else:  # GetAll; Gio refuses Set, as nothing is writable
            call.reply(GLib.Variant("(a{sv})", ({name: get() for name, get in self._properties.items()},)))

    def emit(self, signal: str, parameters: Any, to: str | None = None) -> None:
        """Send a signal to everybody who may receive it, or to one connection alone."""
        self.con.emit_signal(to, self._path, self._interface, signal, parameters)

    def close(self) -> None:
        self.con.unregister_object(self._id)


def request_name(con: Any, name: str) -> None:
    """Own the name, without queueing for it and without letting anybody take it.  Raises ServiceError."""
    try:
        arguments = GLib.Variant("(su)", (name, DBUS_NAME_FLAG_DO_NOT_QUEUE))
        (result,) = call(con, BUS, "RequestName", arguments, "(u)")
    except GLib.Error as error:
        reason = Gio.DBusError.get_remote_error(error) or error.message
        raise ServiceError(
            f"{name}: the bus does not give the name: {reason}",
            "install systemd/dbus/org.impermanence.Manager1.conf and run as root",
        ) from None
    if result != DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER:
        raise ServiceError(
            f"{name}: the name is taken, the daemon runs already", "systemctl status impermanenced"
        )


def has_owner(con: Any, name: str) -> bool:
    """Return whether a connection has the name; GLib.Error where the bus does not answer."""
    return bool(call(con, BUS, "NameHasOwner", GLib.Variant("(s)", (name,)), "(b)")[0])


def watch_owner(con: Any, name: str, changed: Callable[[str], None]) -> Callable[[], None]:
    """Call `changed` with the connection that gets the name, and with "" when none has it any more.

    Return what ends that.
    """
    number = con.signal_subscribe(
        BUS.name, BUS.interface, "NameOwnerChanged", BUS.path, name, Gio.DBusSignalFlags.NONE,
        lambda *arguments: changed(arguments[5].unpack()[2]),
    )  # fmt: skip
    return lambda: con.signal_unsubscribe(number)
