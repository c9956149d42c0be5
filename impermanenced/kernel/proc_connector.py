"""Each exec on the system and each change of a uid, reported as it happens by the proc connector
(linux/cn_proc.h, linux/connector.h).

Hard facts:

  * The connector lives in the initial network namespace and answers in the initial PID namespace only;
    anywhere else nothing is ever heard.  Before Linux 6.6 it wants CAP_NET_ADMIN, and says nothing to
    who lacks it.
  * Every fork, exec, exit and change of identity of the system is one message.  Those that are not wanted
    are dropped by a socket filter, in the kernel, without waking anybody.
  * A program that changes its uid when it is executed (setuid) is reported as a change before the exec.
  * A message may come from another process: the kernel's come from port 0.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import struct

from ..lazy import NamedTuple

NETLINK_CONNECTOR = 11  # linux/netlink.h
NLMSG_DONE = 3
CN_IDX_PROC = 1
CN_VAL_PROC = 1
PROC_CN_MCAST_LISTEN = 1
PROC_CN_MCAST_IGNORE = 2
PROC_EVENT_EXEC = 0x00000002
PROC_EVENT_UID = 0x00000004
SO_ATTACH_FILTER = 26  # asm-generic/socket.h

_NLMSG = struct.Struct("=IHHII")  # len, type, flags, seq, pid
_CN_MSG = struct.Struct("=IIIIHH")  # idx, val, seq, ack, len, flags
_EVENT = struct.Struct("=IIQII")  # what, cpu, timestamp_ns, process_pid, process_tgid
_UIDS = struct.Struct("=II")  # of PROC_EVENT_UID: ruid, euid
_EVENT_AT = _NLMSG.size + _CN_MSG.size

# linux/filter.h: load the word `what`, keep the whole message if it is one of two, else nothing of it.
_BPF_LD_W_ABS, _BPF_JEQ_K, _BPF_RET_K = 0x20, 0x15, 0x06
_INSTRUCTION = struct.Struct("=HBBI")


def _set_filter(connector: socket.socket) -> None:
    in_network_order = socket.htonl(PROC_EVENT_EXEC), socket.htonl(PROC_EVENT_UID)
    program = b"".join(
        (
            _INSTRUCTION.pack(_BPF_LD_W_ABS, 0, 0, _EVENT_AT),
            _INSTRUCTION.pack(_BPF_JEQ_K, 1, 0, in_network_order[0]),
            _INSTRUCTION.pack(_BPF_JEQ_K, 0, 1, in_network_order[1]),
            _INSTRUCTION.pack(_BPF_RET_K, 0, 0, 0xFFFFFFFF),
            _INSTRUCTION.pack(_BPF_RET_K, 0, 0, 0),
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    sock_fprog = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    connector.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog)


def _send(connector: socket.socket, operation: int) -> None:
    data = struct.pack("=I", operation)
    message = _CN_MSG.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, len(data), 0) + data
    connector.send(_NLMSG.pack(_NLMSG.size + len(message), NLMSG_DONE, 0, 0, os.getpid()) + message)


def listen() -> socket.socket:
    """Return a socket for `pids`.  Raises OSError where the kernel has no proc connector, or refuses it."""
    connector = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, NETLINK_CONNECTOR)
    try:
        _set_filter(connector)
        connector.bind((0, CN_IDX_PROC))
        _send(connector, PROC_CN_MCAST_LISTEN)
    except BaseException:
        connector.close()
        raise
    return connector


def close(connector: socket.socket) -> None:
    """Close the socket, and tell the kernel so: an old one counts listeners, and would go on sending."""
    with contextlib.closing(connector), contextlib.suppress(OSError):
        _send(connector, PROC_CN_MCAST_IGNORE)


class Change(NamedTuple):
    """What became of a process."""

    pid: int
    uid: int | None  # the effective uid that it has now; None: it began a program


def changes(connector: socket.socket) -> list[Change]:
    """Return the programs that began and the uids that changed since the last call, in their order, without
    those of messages that were dropped.
    """
    found: list[Change] = []
    while True:
        try:
            message, (sender, _) = connector.recvfrom(4096)
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            continue
        if sender == 0 and len(message) >= _EVENT_AT + _EVENT.size + _UIDS.size:
            what, _, _, _, pid = _EVENT.unpack_from(message, _EVENT_AT)
            if what == PROC_EVENT_EXEC:
                found.append(Change(pid, None))
            elif what == PROC_EVENT_UID:
                found.append(Change(pid, _UIDS.unpack_from(message, _EVENT_AT + _EVENT.size)[1]))
