"""Regular expressions: one language on every store, and nothing that a store would refuse gets there."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Invalid
from app.sql import fits, matches
from app.stats.regex import MAX_LENGTH, MAX_SIZE, portable
from tests.server import Server

_PIECES = (
    *(
        "a",
        "b",
        "B",
        "1",
        "_",
        "-",
        " ",
        "\n",
        "é",
        "/",
        ".",
        "^",
        "$",
        "|",
        "(",
        "(?:",
        ")",
        "{2}",
        "{1,3}",
        "{0}",
    ),
    *(
        "[ab]",
        "[^a]",
        "[a-b1]",
        "[-a]",
        "[a-]",
        r"[\d_]",
        r"[^\w]",
        r"[a\]]",
        r"[^\^-]",
        "[]",
        "[^]",
        "[[:alpha:]]",
    ),
    *(
        "*",
        "+",
        "?",
        "*?",
        "{2,}",
        "{,3}",
        "{255}",
        r"\d",
        r"\W",
        r"\s",
        r"\b",
        r"\.",
        r"\_",
        "(?=a)",
        "(?i)",
        r"\1",
    ),
)
_TEXTS = ("", "a", "ab", "B1_", "a-b", "x\ny", "[b]", "a/b.", "aaa 111", "b^$", "||")


def answers(server: Server, pattern: str, texts: list[str]) -> list[bool]:
    columns = [matches(sa.literal(text, sa.Text), sa.literal(pattern, sa.Text)) for text in texts]
    [row] = server.runtime.events.rows(
        sa.select(*(column.label(f"m{n}") for n, column in enumerate(columns)))
    )
    return list(row)


@given(pieces=st.lists(st.sampled_from(_PIECES), max_size=6))
@settings(max_examples=400, deadline=None)
def test_what_is_accepted_means_what_python_means(server: Server, pieces: list[str]) -> None:
    try:
        pattern = portable("".join(pieces), "path")
    except Invalid:
        return
    # In Python `$` also stands before a last line end, in the stores at the very end only.
    judge = re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.IGNORECASE | re.DOTALL | re.ASCII)
    assert answers(server, pattern, list(_TEXTS)) == [bool(judge.search(text)) for text in _TEXTS]


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:.{15}){17}",
        "((a*)*){100}",
        "(?:a?){255}",
        "(((a?){6}){6}){6}",
        r"(?:\w{15}){16}$",
        "[!-\uffff]{200}é",
        "(x+x+)+y",
    ],
)
def test_the_largest_patterns_run_on_every_store(server: Server, pattern: str) -> None:
    assert answers(server, portable(pattern, "path"), [" "]) == [bool(re.search(pattern, " "))]


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        (r"^/docs/\d+$", r"^\/docs\/[0-9]+$"),
        (r"(a|b)+?\w{2,}", "(?:a|b)+?[0-9A-Z_a-z]{2,}"),
        (r"[\w-]\S", r"[0-9A-Z_a-z\-][^\t\n\v\f\r ]"),
        ("[^a-z]", "[^a-z]"),
        ("", ""),
    ],
)
def test_how_patterns_are_written_anew(pattern: str, written: str) -> None:
    assert portable(pattern, "path") == written


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(",
            ")",
            "(a",
            "a)",
            "[",
            "[]",
            "[^]",
            "[a",
            "*",
            "a**",
            "^*",
            "|+",
            "(*a)",
            "a{2}{3}",
            "a{256}",
            "a{3,2}",
        ),
        *(
            "a{,3}",
            "{",
            "}",
            "a{b}",
            r"\b",
            r"\1",
            r"\pL",
            "\\",
            "(?=a)",
            "(?i)a",
            "(?P<n>a)",
            "(?#c)",
            "a++",
        ),
        *("[[:alpha:]]", "[z-a]", r"[a-\d]", r"[\D]", "[a[b]", "a" * (MAX_LENGTH + 1)),
        *("(a{16}){16}", "(?:a{255}b)", "(((((a?){5}){5}){5}){5})"),
    ],
)
def test_everything_else_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid, match=r"^Pattern: ") as refused:
        portable(pattern, "path")
    assert refused.value.field == "path"


def test_size_counts_what_is_written_out() -> None:
    assert portable(f"a{{{MAX_SIZE}}}", "path") == f"a{{{MAX_SIZE}}}"
    assert portable("a{100}b{155}", "path") == "a{100}b{155}"
    with pytest.raises(Invalid, match="too large"):
        portable("a{100}b{156}", "path")
    with pytest.raises(Invalid, match="too large"):
        portable("a{255,}", "path")


def test_only_matches_ignores_case(server: Server) -> None:
    query = sa.select(
        *(test(sa.literal("/Über", sa.Text), sa.literal("über", sa.Text)) for test in (matches, fits))
    )
    assert list(server.runtime.events.rows(query)[0]) == [True, False]
