"""The set that forgets, beside Python's."""

from __future__ import annotations

import random
import sys

from impermanenced.watch.seen import SeenNumbers


def size(said: SeenNumbers) -> int:
    return sys.getsizeof(said._young) + sys.getsizeof(said._old)


def test_a_number_is_new_once() -> None:
    said, known, chance = SeenNumbers(10_000), set(), random.Random(1)
    for _ in range(5000):
        number = chance.choice((chance.getrandbits(63), -chance.getrandbits(63), chance.randrange(2000)))
        assert (number in said) == (number % 2**60 in known)
        assert said.add(number) == (number % 2**60 not in known)
        known.add(number % 2**60)


def test_the_latest_are_remembered_and_the_oldest_forgotten() -> None:
    said = SeenNumbers(1000)
    for number in range(1, 5001):
        assert said.add(number)
    assert not any(said.add(number) for number in range(4501, 5001))
    assert said.add(1), "this one was forgotten long ago"


def test_numbers_that_want_one_place() -> None:
    said = SeenNumbers(4000)
    assert all(said.add(number << 32) for number in range(1, 1001))
    assert not any(said.add(number << 32) for number in range(1, 1001))


def test_it_stays_small() -> None:
    said = SeenNumbers(200_000)
    assert size(said) < 20_000
    for number in range(1, 1_000_000):
        said.add(number * 0x9E3779B97F4A7C15)
    assert size(said) <= 4_600_000


def test_a_number_is_new_again_with_a_higher_rank() -> None:
    said = SeenNumbers(1000)
    assert said.add(7, 3)
    assert not said.add(7, 3) and not said.add(7, 1)
    assert said.add(7, 4) and not said.add(7, 3)
    for number in range(100, 700):
        said.add(number)
    assert said.add(7, 5), "it is among the old ones now"
    assert not said.add(7, 5)
