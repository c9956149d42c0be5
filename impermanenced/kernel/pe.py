"""The sections of a PE image, of which a unified kernel image has one for each of its parts.

Hard facts
    The header of the PE is where the four bytes at 0x3c of the image say.  The table of sections follows the
    optional header, forty bytes each: name (8), VirtualSize, VirtualAddress, SizeOfRawData, PointerToRawData.
    The raw data is padded; what counts is the smaller one of its size and VirtualSize.
"""

from __future__ import annotations

import struct

LARGEST_HEAD = 64 << 10  # bytes of an image that hold all of its headers

_OFFSET = 0x3C
_SIGNATURE = b"PE\0\0"
_COFF = struct.Struct("<4xHHIIIHH")  # signature, then the COFF header
_SECTION = struct.Struct("<8sIIII16x")


def section(head: bytes, name: bytes) -> tuple[int, int] | None:
    """Return (offset, size) of a section, or None if the image has none or is not of this format.

    `head` is the beginning of the image.
    """
    try:
        if not head.startswith(b"MZ"):
            return None
        (start,) = struct.unpack_from("<I", head, _OFFSET)
        if head[start : start + 4] != _SIGNATURE:
            return None
        _, count, _, _, _, optional, _ = _COFF.unpack_from(head, start)
        table = start + _COFF.size + optional
        for index in range(count):
            found, virtual, _, raw, pointer = _SECTION.unpack_from(head, table + index * _SECTION.size)
            if found.rstrip(b"\0") == name:
                return pointer, min(virtual, raw)
    except struct.error:  # the image ends before its table
        pass
    return None
