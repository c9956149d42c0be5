"""The threads of the daemon: what is said of work that was not done."""

from __future__ import annotations

import pytest

from impermanenced.daemon import workers
from impermanenced.daemon.workers import Workers
from impermanenced.errors import ServiceError


class Log:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, object]]] = []

    def warning(self, text: str, **fields: object) -> None:
        self.said.append(("warning", text, fields))

    def error(self, text: str, **fields: object) -> None:
        self.said.append(("error", text, fields))


@pytest.mark.parametrize("error", [ServiceError("it ended"), OSError(28, "No space left on device", b"/x")])
def test_what_can_happen_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    log = Log()
    monkeypatch.setattr(workers, "log", log)

    def work() -> None:
        raise error

    found = Workers()
    found.submit(work)
    assert found.close(60)
    words = "it ended" if isinstance(error, ServiceError) else "/x: No space left on device"
    assert log.said == [("warning", "work was not done", {"error": words})]


def test_a_fault_of_ours_has_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    log, error = Log(), KeyError("x")
    monkeypatch.setattr(workers, "log", log)

    def work() -> None:
        raise error

    found = Workers()
    found.store(work)
    assert found.close(60)
    assert log.said == [("error", "work failed", {"exc_info": error})]
