"""The files that callers have got: made once for all who get the same, and bounded by what a user holds.

A file that was passed on cannot be taken back, and its memory is the daemon's.  So each file stays known
until its last reader has closed it, and a user who holds much gets no more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import ServiceError
from ..system.callers import ROOT, Caller
from ..text import size_to_text
from .sealed import SealedFile

EACH = 64 << 20  # bytes that one user may hold and get another file; so it holds one file more at most
FILES_EACH = 32
ALL = 512 << 20  # bytes that all users but root may hold
FILES = 256

T = TypeVar("T")


@dataclass(slots=True)
class _Loan:
    file: SealedFile
    open: bool = True  # more callers may get it


class Loans:
    """The files that are held by others.  Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loans: dict[int, list[_Loan]] = {}  # by owner

    def make(self, caller: Caller, make: Callable[[], int]) -> _Loan:
        """Make a file for a caller, to be closed by `close`; `make` returns the descriptor of a sealed one.

        Raises ServiceError if the caller's user, or all together, hold too much.  Root is never refused.
        """
        if caller.uid != ROOT:
            self._check(caller.owner)
        loan = _Loan(SealedFile(make()))
        with self._lock:
            self._loans.setdefault(caller.owner, []).append(loan)
        return loan

    def close(self, loan: _Loan) -> None:
        """Give a file to nobody else, and close it when its last reader does."""
        loan.open = False

    def tidy(self) -> None:
        """Close the files that nobody reads any more."""
        with self._lock:
            for owner, loans in list(self._loans.items()):
                # What root holds is not counted, so it need not be known.
                over = [one for one in loans if not one.open and (owner == ROOT or not one.file.in_use())]
                for one in over:
                    one.file.close()
                if left := [one for one in loans if one not in over]:
                    self._loans[owner] = left
                else:
                    del self._loans[owner]

    def held(self, owner: int | None = None) -> tuple[int, int]:
        """Return how many files are held, and how many bytes: by one user, or by all but root."""
        with self._lock:
            found = [
                loan.file.size
                for one, loans in self._loans.items()
                if (one == owner if owner is not None else one != ROOT)
                for loan in loans
            ]
        return len(found), sum(found)

    def _check(self, owner: int) -> None:
        self.tidy()
        for (files, size), most_files, most, whose in (
            (self.held(owner), FILES_EACH, EACH, "of yours"),
            (self.held(), FILES, ALL, "of all users"),
        ):
            if files >= most_files or size >= most:
                raise ServiceError(
                    f"answers {whose} are still open: {files} files with {size_to_text(size)}",
                    "read and close the files that came before",
                )


class Batch(Generic[T]):
    """What was made for the callers of one batch, and its files: one for all callers of a user who get the
    same.  Close it.
    """

    def __init__(self, loans: Loans, made: T, done: Callable[[T], None] = lambda made: None) -> None:
        self.made = made
        self._loans = loans
        self._done = done
        self._files: dict[tuple[int, Hashable], _Loan] = {}

    def reader(self, caller: Caller, what: Hashable, make: Callable[[], int]) -> int:
        """Return a descriptor on the file about `what`, which `make` makes unless this user's caller got it
        before; the caller of this closes it.
        """
        key = caller.owner, what
        if key not in self._files:
            self._files[key] = self._loans.make(caller, make)
        return self._files[key].file.reader()

    def close(self) -> None:
        """Give the files to nobody else, and be done with what was made."""
        try:
            for loan in self._files.values():
                self._loans.close(loan)
            self._loans.tidy()
        finally:
            self._done(self.made)


def passed_on(fd: int, send: Callable[[int], None]) -> None:
    """Call `send` with a descriptor, and close it, whatever happens."""
    try:
        send(fd)
    finally:
        os.close(fd)
