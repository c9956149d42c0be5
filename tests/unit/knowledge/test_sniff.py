"""What first bytes give away."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.report.knowledge import TOKENS, recognise, recognise_tokens, sniff

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize(
    ("head", "loss"),
    [
        (b"SQLite format 3\0\x10\0", "database"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", "secret"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "secret"),
        (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "secret"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "secret"),
        (b"-----BEGIN CERTIFICATE-----\n", None),
        (b"-----BEGIN PUBLIC KEY-----\n", None),
        (b"From alice@example.org Mon Jan  1 00:00:00 2024\n", "document"),
        (b"From here on we go Monday\n", None),
        (b"LUKS\xba\xbe\0\x02", "secret"),
        (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5\x01\0\x04\0", "secret"),
        (b"\x85\x02\x0c\x03" + b"\x11" * 8 + b"\x01\x10\0", "secret"),
        (b"\x84\x5e\x03" + b"\x11" * 8 + b"\x12\x01", "secret"),
        (b"# created: 2024-01-01T00:00:00Z\n# public key: age1abcdefghijkl", "secret"),
        (b"PACK\0\0\0\x02\0\0\0\x05", "document"),
        (b"#!/bin/sh\n", None),
        (b"\x7fELF\x02\x01\x01", None),
        (b"", None),
        (b"\0" * 64, None),
        (b" " * 64 + b"SQLite format 3\0", None),
    ],
)
def test_first_bytes_give_away_what_is_dear(head: bytes, loss: str | None) -> None:
    assert sniff(head) == loss
    content = recognise(head)
    assert (content is None) is (loss is None)
    assert content is None or content.score >= 60


def test_no_more_than_64_bytes_count() -> None:
    assert sniff(b"# created: 2024-01-01T00:00:00Z" + b" " * 40 + b"\n# public key: age1") is None


@given(st.binary(max_size=100))
def test_any_bytes_can_be_looked_at(head: bytes) -> None:
    assert sniff(head) == sniff(head[:64])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a key")
def test_a_real_key_and_a_real_database_are_recognised(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("create table t (x)")
        database.commit()
    assert sniff((tmp_path / "x.db").read_bytes()) == "database"
    key = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True)
    assert sniff(key.stdout) == "secret"


@pytest.mark.parametrize(
    "text",
    [
        b'{"user": "me", "oauth_token": "gho_16C7e42F292c"}',
        b'{"github.com:Iv1.b5": {"refresh_token":"ghr_16C7e42F292c"}}',
        b"version = 1\naccess_token = 'abcdefghij'\n",
        b"user: me\napi_key: abcdefghij\n",
        b"OPENAI_API_KEY=sk-abcdefghij\n",
        b"[remote]\npassword = correct-horse\n",
    ],
)
def test_tokens_show_a_secret(text: bytes) -> None:
    content = recognise_tokens(text)
    assert content is not None and content.loss == "secret"
    assert content.words.startswith("only its owner may read it, and it has a value for ")


@pytest.mark.parametrize(
    "text",
    [
        b'{"access_token": ""}',
        b'{"access_token": null}',
        b"# set api_key to the key that you were given\n",
        b'{"max_tokens": 100000000}',
        b"\0access_token=abcdefghij",
        b"x" * TOKENS + b"access_token=abcdefghij",
        b"",
    ],
)
def test_no_token_no_secret(text: bytes) -> None:
    assert recognise_tokens(text) is None


@given(st.binary(max_size=TOKENS))
def test_any_content_is_asked_for_tokens(head: bytes) -> None:
    content = recognise_tokens(head)
    assert content is None or content.words.isprintable()


def test_a_file_made_to_be_slow_is_not() -> None:
    for part in (b"api_key", b"api_key ", b"api_key:", b"a", b"api_key \t \t", b"token=\"'"):
        began = time.process_time()
        recognise_tokens(part * (TOKENS // len(part)))
        assert time.process_time() - began < 0.5
