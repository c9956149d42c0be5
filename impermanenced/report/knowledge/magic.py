"""The class of a file by its first bytes, whatever its name.

The magic numbers are those of file(1) and of the formats' own documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .facts import SCORES

LIMIT = 64  # bytes that are read of a file


@dataclass(frozen=True, slots=True)
class Content:
    """A kind of content that can be recognised."""

    loss: str  # loss class
    what: str  # "SQLite database"

    @property
    def score(self) -> int:
        """Return the least score of a file with such content."""
        return SCORES[self.loss]


_SQLITE = Content("database", "SQLite database")
_BERKELEY = Content("database", "Berkeley database")
_PRIVATE_KEY = Content("secret", "private key")
_KEEPASS = Content("secret", "KeePass database")
_GNUPG = Content("secret", "message encrypted with GnuPG")
_MAIL = Content("document", "mail")
_DUMP = Content("database", "database dump")

# Each has the offset at which its bytes begin.
_MAGIC: tuple[tuple[int, bytes, Content], ...] = (
    (0, b"SQLite format 3\0", _SQLITE),
    (0, b"\x37\x7f\x06\x82", _SQLITE),  # its write-ahead log, of which nothing may be in the database yet
    (0, b"\x37\x7f\x06\x83", _SQLITE),
    (12, b"\x62\x31\x05\x00", _BERKELEY),
    (12, b"\x61\x15\x06\x00", _BERKELEY),
    (12, b"\x00\x05\x31\x62", _BERKELEY),
    (12, b"\x00\x06\x15\x61", _BERKELEY),
    (16, b"\xde\xc0\xef\xbe", Content("database", "LMDB database")),
    (16, b"\xed\xda\x0c\xed", Content("database", "Bolt database")),
    (8, b"DUCK", Content("database", "DuckDB database")),
    (0, b"REDIS0", Content("database", "Redis dump")),
    (0, b"TDB file\n", Content("database", "trivial database of Samba")),
    (0, b"\xce\x9a\x57\x13", Content("database", "GNU dbm database")),
    (0, b"\xcf\x9a\x57\x13", Content("database", "GNU dbm database")),
    (0, b"\x41\xd8\x01\x00", Content("database", "WiredTiger table")),
    (0, b"PGDMP", _DUMP),
    (0, b"--\n-- PostgreSQL database dump", _DUMP),
    (0, b"-- MySQL dump", _DUMP),
    (0, b"-- MariaDB dump", _DUMP),
    (0, b"LUKS\xba\xbe", Content("secret", "LUKS header")),
    (0, b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5", _KEEPASS),
    (0, b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5", _KEEPASS),
    (0, b"PuTTY-User-Key-File-", _PRIVATE_KEY),
    (0, b"(11:private-key", Content("secret", "private key of GnuPG")),
    (0, b"(21:protected-private-key", Content("secret", "private key of GnuPG")),
    (0, b"-----BEGIN PGP MESSAGE-----", _GNUPG),
    (0, b"AGE-SECRET-KEY-1", Content("secret", "age key")),
    (0, b"AGE-PLUGIN-", Content("secret", "age key")),
    (0, b"untrusted comment: minisign encrypted secret key", _PRIVATE_KEY),
    (0, b"untrusted comment: signify secret key", _PRIVATE_KEY),
    (0, b"== ed25519v1-secret: type0 ==", Content("secret", "key of an onion service")),
    (0, b"GnomeKeyring\n\r\0\n", Content("secret", "GNOME keyring")),
    (0, b"KWALLET\n\r\0\r\n", Content("secret", "KDE wallet")),
    (0, b"\x05\x02\x00\x00\x00", Content("secret", "Kerberos key table")),
    (0, b"\xfe\xed\xfe\xed\x00\x00\x00", Content("secret", "Java key store")),
    (0, b"$ANSIBLE_VAULT;", Content("secret", "Ansible vault")),
    (0, b"PACK\0\0\0\x02", Content("document", "git pack")),
    (0, b"DIRC\0\0\0", Content("document", "git index")),
    (0, b"# v2 git bundle\n", Content("document", "git bundle")),
    (0, b"ref: refs/heads/", Content("document", "head of a git repository")),
    (0, b"%PDF-", Content("document", "PDF document")),
    (0, b"BEGIN:VCARD", Content("document", "address card")),
    (0, b"BEGIN:VCALENDAR", Content("document", "calendar")),
    (0, b"Return-Path: <", _MAIL),
    (0, b"Delivered-To: ", _MAIL),
    (0, b"QFI\xfb", Content("document", "virtual disk")),
    (0, b"KDMV", Content("document", "virtual disk")),
    (0, b"<<< Oracle VM VirtualBox Disk Image >>>", Content("document", "virtual disk")),
    (0, b"LPKSHHRH", Content("log", "systemd journal")),
)
# Shapes that need more than a fixed string; none of these patterns backtracks.
_SHAPES: tuple[tuple[re.Pattern[bytes], Content], ...] = (
    (re.compile(rb"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY"), _PRIVATE_KEY),
    (re.compile(rb"# created: [^\n]{10,30}\n# public key: age1"), Content("secret", "age key")),
    (re.compile(rb"Created: [0-9T]{15}\nKey: \("), Content("secret", "private key of GnuPG")),
    (re.compile(rb"Key: \((?:protected-|shadowed-)?private-key"), Content("secret", "private key of GnuPG")),
    (re.compile(rb"\[Interface\]\s{1,4}PrivateKey"), Content("secret", "WireGuard key")),
    (re.compile(rb"#\n# 2048 bit OpenVPN static key"), Content("secret", "OpenVPN key")),
    (re.compile(rb"0\x82..\x02\x01\x030[\x80-\x84]", re.DOTALL), Content("secret", "PKCS #12 key store")),
    # A session key for a public key, RFC 4880 section 5.1, in packets of the old and the new format.
    (re.compile(rb"(?:\x84[\x20-\xff]|\x85[\x00-\x0f].)\x03.{8}[\x01\x10\x12]", re.DOTALL), _GNUPG),
    (re.compile(rb"\xc1[\x20-\xff].?\x03.{8}[\x01\x10\x12]", re.DOTALL), _GNUPG),
    (re.compile(rb"From [!-~]{1,48} +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) "), Content("document", "mailbox")),
)


def recognise(head: bytes) -> Content | None:
    """Return the content of a file that begins with these bytes, or None if they say nothing."""
    head = head[:LIMIT]
    for offset, magic, content in _MAGIC:
        if head.startswith(magic, offset):
            return content
    for shape, content in _SHAPES:
        if shape.match(head):
            return content
    return None


def sniff(head: bytes) -> str | None:
    """Return the loss class of a file that begins with these bytes, or None if they say nothing."""
    content = recognise(head)
    return None if content is None else content.loss
