"""The order of what hurts: figures and marks of the documented formula."""

import pytest

from impermanenced.losses import WORTH, mark, score
from impermanenced.model import Change, Difference, FileType


def difference(
    size: int = 1, change: Change = Change.CREATED, type: FileType = FileType.FILE
) -> Difference:
    return Difference(b"/a", type, change, "+......", 257, size, 0, 0, 0o644, 0)


@pytest.mark.parametrize(("more", "less"), list(zip(WORTH, list(WORTH)[1:], strict=False)))
def test_classes_stand_in_their_order_whatever_else_holds(more: str, less: str) -> None:
    assert score(difference(), more) > score(difference(), less)


def test_what_adds_up() -> None:
    assert score(difference(), "config") == 45
    assert score(difference(), "config", person=True) == 51
    assert score(difference(), "config", lost=3) == 48
    assert score(difference(), "config", lost=60) == 51
    assert score(difference(), "config", age=10) == 47
    assert score(difference(), "config", age=10_000) == 45
    assert score(difference(size=10**6), "config") == 48
    assert score(difference(size=10**18), "config") == 49
    assert score(difference(), "config", known=70) == 70
    assert score(difference(10**9), "secret", known=100, person=True, lost=9) == 100


def test_what_comes_back_or_holds_nothing_is_half_as_bad() -> None:
    assert score(difference(change=Change.DELETED), "secret") == 47
    assert score(difference(change=Change.METADATA), "secret") == 47
    assert score(difference(size=0), "secret") == 47
    assert score(difference(size=0, type=FileType.DIRECTORY), "config") == 22
    assert score(difference(size=0, type=FileType.SUBVOLUME), "subvolume") == 50


def test_marks() -> None:
    assert [mark(score(difference(), loss)) for loss in ("secret", "database", "document", "config")] == [
        "!!", "!!", "!", ""
    ]  # fmt: skip
