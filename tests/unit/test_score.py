"""The order of what hurts: figures and marks of the documented formula."""

import itertools

import pytest

from impermanenced.losses import LossClass, mark
from impermanenced.model import Change, Difference, FileType
from impermanenced.report.score import score


def difference(size: int = 1, change: Change = Change.CREATED, type: FileType = FileType.FILE) -> Difference:
    return Difference(b"/a", type, change, "+......", 257, size, 0, 0, 0o644, 0)


@pytest.mark.parametrize(("more", "less"), list(itertools.pairwise(LossClass)))
def test_classes_stand_in_their_order_whatever_else_holds(more: LossClass, less: LossClass) -> None:
    assert score(difference(), more) > score(difference(), less)


def test_what_adds_up() -> None:
    assert score(difference(), LossClass.CONFIG) == 45
    assert score(difference(), LossClass.CONFIG, person=True) == 51
    assert score(difference(), LossClass.CONFIG, lost=3) == 48
    assert score(difference(), LossClass.CONFIG, lost=60) == 51
    assert score(difference(), LossClass.CONFIG, age=10) == 47
    assert score(difference(), LossClass.CONFIG, age=10_000) == 45
    assert score(difference(size=10**6), LossClass.CONFIG) == 48
    assert score(difference(size=10**18), LossClass.CONFIG) == 49
    assert score(difference(), LossClass.CONFIG, known=70) == 70
    assert score(difference(10**9), LossClass.SECRET, known=100, person=True, lost=9) == 100


def test_what_comes_back_or_holds_nothing_is_half_as_bad() -> None:
    assert score(difference(change=Change.DELETED), LossClass.SECRET) == 47
    assert score(difference(change=Change.METADATA), LossClass.SECRET) == 47
    assert score(difference(size=0), LossClass.SECRET) == 47
    assert score(difference(size=0, type=FileType.DIRECTORY), LossClass.CONFIG) == 22
    assert score(difference(size=0, type=FileType.SUBVOLUME), LossClass.SUBVOLUME) == 50


def test_marks() -> None:
    losses = (LossClass.SECRET, LossClass.DATABASE, LossClass.DOCUMENT, LossClass.CONFIG)
    assert [mark(score(difference(), loss)) for loss in losses] == ["!!", "!!", "!", ""]
