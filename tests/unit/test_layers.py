"""What containers wrote into layers of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from impermanenced.model import Verdict
from impermanenced.report.knowledge import DATA, Knowledge, load
from tests.corpus.appraised import appraised, created, made

OWN, IMAGE = "a" * 64, "b" * 64
SQLITE = b"SQLite format 3\0" + bytes(90)


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load([DATA])


@pytest.mark.parametrize(
    ("store", "layers", "book", "content"),
    [
        ("/var/lib/docker", "overlay2", "image/overlay2/layerdb/mounts/c1/mount-id", OWN),
        (
            "/home/alice/.local/share/containers/storage",
            "overlay",
            "overlay-containers/containers.json",
            json.dumps([{"id": "c1", "layer": OWN}]),
        ),
    ],
)
def test_only_a_container_s_own_layer_is_a_loss(
    knowledge: Knowledge, tmp_path: Path, store: str, layers: str, book: str, content: str
) -> None:
    made(tmp_path, f"{store}/{book}".encode(), content.encode())
    paths = {
        f"{store}/{layers}/{layer}/diff/{inside}".encode(): text
        for layer in (OWN, IMAGE)
        for inside, text in (("var/lib/thing/data", SQLITE), ("var/cache/thing/x", b"x"), ("etc/thing", b"x"))
    }
    for path, text in paths.items():
        made(tmp_path, path, text)
    found = appraised(tmp_path, knowledge, [created(tmp_path, path) for path in paths])
    lost = {
        path.decode().rpartition("/diff/")[2]: one
        for path, one in found.items()
        if one.verdict is Verdict.CRUD
    }
    assert sorted(lost) == ["etc/thing", "var/lib/thing/data"]
    assert all(OWN.encode() in one.difference.path and one.group == store.encode() for one in lost.values())
    assert lost["var/lib/thing/data"].loss == "database"
    assert lost["etc/thing"].because[0] == "it is in a container's own layer, which no image has"


@pytest.mark.parametrize("what", ["missing", "link", "garbage", "names"])
def test_books_that_cannot_be_used_change_nothing(knowledge: Knowledge, tmp_path: Path, what: str) -> None:
    book = b"/var/lib/docker/image/overlay2/layerdb/mounts/c1/mount-id"
    path = f"/var/lib/docker/overlay2/{OWN}/diff/etc/x".encode()
    made(tmp_path, path)
    if what == "link":
        place = made(tmp_path, book)
        place.unlink()
        (tmp_path / "id").write_text(OWN)
        place.symlink_to(tmp_path / "id")
    elif what == "garbage":
        made(tmp_path, book, b"\0" * 9000)
    elif what == "names":
        made(tmp_path, book, b"../" + OWN.encode())
    assert appraised(tmp_path, knowledge, [created(tmp_path, path)])[path].verdict is Verdict.IGNORED
