"""Keys that are counted before they are parsed."""

from __future__ import annotations

import tomllib

import pytest

from impermanenced.config import toml

from ...conftest import calls

DEEP = "a." * 99 + "a"


@pytest.mark.parametrize(
    "text",
    [
        f"a = '{DEEP}'",
        f'a = "{DEEP}"',
        f'a = "\\"{DEEP}"',
        f"a = '''\n{DEEP}'\n''{DEEP}'''",
        f'a = """\n{DEEP}"\n""{DEEP}\\"""{DEEP}"""',
        f'a = """{DEEP}""""',
        f"a = 1 # {DEEP}",
        "a = [" + '"/a.b", ' * 99 + "]",
        "a = [" + "1.5, " * 99 + "]",
        "a.b.c = 1\n" * 1 + "".join(f"d.e{number} = 1\n" for number in range(99)),
        ".".join("a" * toml.DEEPEST) + " = 1",
        f"[{'.'.join('a' * toml.DEEPEST)}]",
    ],
)
def test_what_is_no_long_key_is_read(text: str) -> None:
    assert toml.loads(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        DEEP, f"[{DEEP}]", f"[[{DEEP}]]", f"a = {{ {DEEP} = 1 }}", "'='." * 40, '"#".' * 40, "a . \t" * 40,
        f'a = """x"""\n{DEEP} = 1', f"a = ''''x''''\n{DEEP} = 1", f"# '''\n{DEEP}",
    ],
)  # fmt: skip
def test_a_key_of_very_many_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a key of more than 32 parts"):
        toml.loads(text)


@pytest.mark.parametrize(
    "piece",
    ["a", '"', "'", '""" ', "''' ", ".", "\\", '"\\', "# ", "[", "a.", "'.", " ", "=\n", '"a".\n', "a b.c "],
)
def test_counting_takes_a_time_that_grows_with_the_text_alone(piece: str) -> None:
    def count(times: int) -> int:
        return calls(lambda: _checked(piece * times))

    assert count(2000) <= 2 * count(1000) + 10


def _checked(text: str) -> None:
    try:
        toml._check_keys(text)
    except ValueError:
        return
