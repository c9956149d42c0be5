"""The class of a file by its first bytes, whatever its name.

The magic numbers are those of file(1) and of the formats' own documentation.
"""

from __future__ import annotations

import functools
import re

from ...lazy import NamedTuple, regex
from ...losses import LossClass

LIMIT = 64  # bytes that are read of a file
TOKENS = 4096  # bytes that are read of a file that only its owner may read


class Content(NamedTuple):
    """A kind of content that can be recognised."""

    loss: LossClass
    what: str  # "SQLite database"
    tokens: bool = False  # whether it is a text in which the name of a token or of a key has a value

    @property
    def score(self) -> int:
        """Return the least score of a file with such content."""
        return self.loss.traits.weight

    @property
    def words(self) -> str:
        """Return what shows it."""
        if self.tokens:
            return f"only its owner may read it, and it has {self.what}"
        return f"begins as a {self.what} does"


def _secret(what: str) -> Content:
    return Content(LossClass.SECRET, what)


def _database(what: str) -> Content:
    return Content(LossClass.DATABASE, what)


def _document(what: str) -> Content:
    return Content(LossClass.DOCUMENT, what)


_SQLITE = _database("SQLite database")
_BERKELEY = _database("Berkeley database")
_PRIVATE_KEY = _secret("private key")
_KEEPASS = _secret("KeePass database")
_GNUPG = _secret("message encrypted with GnuPG")
_MAIL = _document("mail")
_DUMP = _database("database dump")

# Each has the offset at which its bytes begin.
_MAGIC: tuple[tuple[int, bytes, Content], ...] = (
    (0, b"SQLite format 3\0", _SQLITE),
    (0, b"\x37\x7f\x06\x82", _SQLITE),  # its write-ahead log, of which nothing may be in the database yet
    (0, b"\x37\x7f\x06\x83", _SQLITE),
    (12, b"\x62\x31\x05\x00", _BERKELEY),
    (12, b"\x61\x15\x06\x00", _BERKELEY),
    (12, b"\x00\x05\x31\x62", _BERKELEY),
    (12, b"\x00\x06\x15\x61", _BERKELEY),
    (16, b"\xde\xc0\xef\xbe", _database("LMDB database")),
    (16, b"\xed\xda\x0c\xed", _database("Bolt database")),
    (8, b"DUCK", _database("DuckDB database")),
    (0, b"REDIS0", _database("Redis dump")),
    (0, b"TDB file\n", _database("trivial database of Samba")),
    (0, b"\xce\x9a\x57\x13", _database("GNU dbm database")),
    (0, b"\xcf\x9a\x57\x13", _database("GNU dbm database")),
    (0, b"\x41\xd8\x01\x00", _database("WiredTiger table")),
    (0, b"PGDMP", _DUMP),
    (0, b"--\n-- PostgreSQL database dump", _DUMP),
    (0, b"-- MySQL dump", _DUMP),
    (0, b"-- MariaDB dump", _DUMP),
    (0, b"LUKS\xba\xbe", _secret("LUKS header")),
    (0, b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5", _KEEPASS),
    (0, b"\x03\xd9\xa2\x9a\x65\xfb\x4b\xb5", _KEEPASS),
    (0, b"PuTTY-User-Key-File-", _PRIVATE_KEY),
    (0, b"(11:private-key", _secret("private key of GnuPG")),
    (0, b"(21:protected-private-key", _secret("private key of GnuPG")),
    (0, b"-----BEGIN PGP MESSAGE-----", _GNUPG),
    (0, b"AGE-SECRET-KEY-1", _secret("age key")),
    (0, b"AGE-PLUGIN-", _secret("age key")),
    (0, b"untrusted comment: minisign encrypted secret key", _PRIVATE_KEY),
    (0, b"untrusted comment: signify secret key", _PRIVATE_KEY),
    (0, b"== ed25519v1-secret: type0 ==", _secret("key of an onion service")),
    (0, b"GnomeKeyring\n\r\0\n", _secret("GNOME keyring")),
    (0, b"KWALLET\n\r\0\r\n", _secret("KDE wallet")),
    (0, b"\x05\x02\x00\x00\x00", _secret("Kerberos key table")),
    (0, b"\xfe\xed\xfe\xed\x00\x00\x00", _secret("Java key store")),
    (0, b"$ANSIBLE_VAULT;", _secret("Ansible vault")),
    (0, b"PACK\0\0\0\x02", _document("git pack")),
    (0, b"DIRC\0\0\0", _document("git index")),
    (0, b"# v2 git bundle\n", _document("git bundle")),
    (0, b"ref: refs/heads/", _document("head of a git repository")),
    (0, b"%PDF-", _document("PDF document")),
    (0, b"BEGIN:VCARD", _document("address card")),
    (0, b"BEGIN:VCALENDAR", _document("calendar")),
    (0, b"Return-Path: <", _MAIL),
    (0, b"Delivered-To: ", _MAIL),
    (0, b"QFI\xfb", _document("virtual disk")),
    (0, b"KDMV", _document("virtual disk")),
    (0, b"<<< Oracle VM VirtualBox Disk Image >>>", _document("virtual disk")),
    (0, b"LPKSHHRH", Content(LossClass.LOG, "systemd journal")),
)
# Shapes that need more than a fixed string, with the bytes that they may begin with; none of these patterns
# backtracks.
_SHAPES: tuple[tuple[bytes, re.Pattern[bytes], Content], ...] = (
    (b"-", regex(rb"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY"), _PRIVATE_KEY),
    (b"#", regex(rb"# created: [^\n]{10,30}\n# public key: age1"), _secret("age key")),
    (b"C", regex(rb"Created: [0-9T]{15}\nKey: \("), _secret("private key of GnuPG")),
    (b"K", regex(rb"Key: \((?:protected-|shadowed-)?private-key"), _secret("private key of GnuPG")),
    (b"[", regex(rb"\[Interface\]\s{1,4}PrivateKey"), _secret("WireGuard key")),
    (b"#", regex(rb"#\n# 2048 bit OpenVPN static key"), _secret("OpenVPN key")),
    (b"0", regex(rb"0\x82..\x02\x01\x030[\x80-\x84]", re.DOTALL), _secret("PKCS #12 key store")),
    # A session key for a public key, RFC 4880 section 5.1, in packets of the old and the new format.
    (
        b"\x84\x85",
        regex(rb"(?:\x84[\x20-\xff]|\x85[\x00-\x0f].)\x03.{8}[\x01\x10\x12]", re.DOTALL),
        _GNUPG,
    ),
    (b"\xc1", regex(rb"\xc1[\x20-\xff].?\x03.{8}[\x01\x10\x12]", re.DOTALL), _GNUPG),
    (b"F", regex(rb"From [!-~]{1,48} +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) "), _document("mailbox")),
)


_Kinds = tuple[list[tuple[int, bytes, Content]], list[tuple[re.Pattern[bytes], Content]]]


@functools.cache
def _kinds(first: bytes) -> _Kinds:
    """Return what a file may be that begins with this byte."""
    return (
        [one for one in _MAGIC if one[0] or one[1].startswith(first)],
        [(shape, content) for begins, shape, content in _SHAPES if first in begins],
    )


# JSON, TOML, YAML and what has `NAME=VALUE`; neither part of the pattern backtracks into the other.
_TOKEN = regex(
    rb"(?<![a-z])(?:(?:access|refresh|auth|bearer|session|oauth|id|api)[_-]?token|(?:api|secret|private)[_-]?key"
    rb"|client[_-]?secret|password|passwd|passphrase)"
    rb"""["']?[ \t]{0,8}[:=][ \t]{0,8}["']?[^\s"'{}\[\],;<>]{8}""",
    re.IGNORECASE,
)


def recognise_tokens(head: bytes) -> Content | None:
    """Return that a file which begins with these bytes has tokens or keys, or None if none is seen."""
    head = head[:TOKENS]
    found = None if b"\0" in head else _TOKEN.search(head)
    if found is None:
        return None
    name = re.split(rb"[\"':= \t]", found[0], maxsplit=1)[0].decode()
    return Content(LossClass.SECRET, f"a value for {name}", tokens=True)


def recognise(head: bytes) -> Content | None:
    """Return the content of a file that begins with these bytes, or None if they say nothing."""
    if not head:
        return None
    head = head[:LIMIT]
    fixed, shapes = _kinds(head[:1])
    for offset, magic, content in fixed:
        if head.startswith(magic, offset):
            return content
    for shape, content in shapes:
        if shape.match(head):
            return content
    return None


def sniff(head: bytes) -> str | None:
    """Return the loss class of a file that begins with these bytes, or None if they say nothing."""
    content = recognise(head)
    return None if content is None else content.loss
