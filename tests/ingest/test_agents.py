"""Names of browsers, systems and devices, and the bot test. `agents.json` holds the answers of the npm packages
detect-browser 5.3.0 and isbot 5.1.44 for real agents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from app.ingest import agents
from app.ingest.agents import Agent, bot_family, browser_name, describe, device_name, is_bot, os_name
from app.ingest.bots import FAMILIES, PATTERNS

CORPUS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("agents.json").read_text("utf-8"))
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize("known", CORPUS, ids=lambda known: known["agent"][:60])
def test_agent_is_described_as_the_reference_does(known: dict[str, Any]) -> None:
    assert describe(known["agent"]) == Agent(known["browser"], known["os"], known["bot"])


def test_corpus_reaches_every_browser_and_system_rule() -> None:
    assert len({known["agent"] for known in CORPUS}) == len(CORPUS) == 311
    assert {known["browser"] for known in CORPUS} == {name for name, _ in agents._BROWSERS} | {""}
    assert {known["os"] for known in CORPUS} == {name for name, _ in agents._SYSTEMS} | {""}


def test_safari_is_named_after_its_device() -> None:
    assert (browser_name(IPHONE), os_name(IPHONE), is_bot(IPHONE)) == ("ios", "iOS", False)


def test_no_agent_is_nobody_and_no_bot() -> None:
    assert describe("") == Agent("", "", False)


@pytest.mark.parametrize(
    ("agent", "bot"),
    [
        ("Mozilla/5.0 (compatible; Umami/1.0)", True),
        ("Mozilla/5.0 Umami/v20.20.2", False),
        (CHROME, False),
        (CHROME.upper(), False),
        (CHROME + " NODE", True),
        (CHROME + " Java; x", False),
        (CHROME + " java/17", True),
        (CHROME + " google", True),
        (CHROME + " Channel/googleplay", False),
        (CHROME + " google/google", False),
        (CHROME + " Google Pixel 8", False),
        (CHROME + " cubot", False),
        (CHROME + " robot", True),
        ("x!" + "x" * 47, False),
        ("x!" + "x" * 48, True),
        ("é" + CHROME, True),
    ],
)
def test_bot_patterns(agent: str, bot: bool) -> None:
    assert is_bot(agent) is bot


@pytest.mark.parametrize(
    ("agent", "bot"),
    [
        # Each differs between the expressions of JavaScript and of Python; expected is what isbot answers.
        ("Mozilla/5.0 (X11)\n", False),  # `$` is the end, not the line break before it
        ("Mozilla/5.0 (X11; y)\u00a0Abc", False),  # \w is ASCII …
        ("Mozilla/5.0\u00a0Abc", True),  # … and \s is not
        ("Mozilla/5.0 (X11; z) Check ", True),
        ("Mozilla/5.0 (X11; z) Chec\u212a ", False),  # the Kelvin sign is no k
        ("x!" + "\U0001f600" * 23, False),
        ("x!" + "\U0001f600" * 24, True),  # 50 characters of 16 bits
        ("\ud800 Abc", True),  # half a character, as JSON may carry it
    ],
)
def test_expressions_mean_what_they_mean_in_javascript(agent: str, bot: bool) -> None:
    assert is_bot(agent) is bot


def test_dot_stops_at_the_line_ends_of_javascript() -> None:
    assert browser_name("Opera Mini Version/10.5") == "opera-mini"
    for line_end in "\n\r\u2028\u2029":
        assert browser_name(f"Opera Mini{line_end}Version/10.5") == ""


@pytest.mark.parametrize(
    ("os", "screen", "device"),
    [
        ("Windows 10", "1920x1080", "desktop"),
        ("Windows 10", "1919x1080", "laptop"),
        ("Windows ME", "800x600", "laptop"),
        ("Windows Server 2003", "2560x1440", "desktop"),
        ("Chrome OS", "2560x1440", "laptop"),
        ("Chrome OS", "?x1080", "laptop"),
        ("Linux", "widex1080", "desktop"),
        ("Linux", "1_920x1080", "desktop"),
        ("Linux", "nanx1", "desktop"),
        ("Linux", "x1080", "laptop"),  # an empty text is the number 0
        ("Mac OS", " 1440 x900", "laptop"),
        ("Mac OS", "1.92e3", "desktop"),
        ("iOS", "390x844", "mobile"),
        ("iOS", "479x844", "mobile"),
        ("iOS", "480x844", "tablet"),
        ("iOS", "widex844", "mobile"),
        ("Amazon OS", "320x480", "tablet"),
        ("Windows Mobile", "320x480", "mobile"),
        ("Windows CE", "479x800", "tablet"),
        ("Windows CE", "478x800", "mobile"),
        ("", "1920x1080", "desktop"),
        ("", "1919x1080", "laptop"),
        ("", "1024x768", "laptop"),
        ("", "1023x768", "tablet"),
        ("", "widex768", "mobile"),
        ("Windows 10", "", ""),
        ("", "", ""),
    ],
)
def test_device_follows_from_system_and_width(os: str, screen: str, device: str) -> None:
    assert device_name(os, screen) == device


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        ("python-requests/2.31", "Python Requests"),
        ("curl/8.0", "curl"),
        ("node", "Other"),
        ("", "Other"),
        ("Mozilla/5.0 (compatible; Nobodyknowsbot/1.0)", "Other"),  # ua-parser would take the name from here
        (CHROME, "Other"),
    ],
)
def test_refused_agents_are_counted_by_a_bounded_family(agent: str, family: str) -> None:
    assert bot_family(agent) == family
    assert family == "Other" or family in FAMILIES


@pytest.mark.parametrize(
    "word",
    [
        "Version/1 Mobile ",
        "Trident/7.0 rv:1 ) ",
        "wv) Chrome/1",
        "Chrome/1OPR",
        "Version/" + "1" * 400 + "Mobile" * 99,
        "MSIE 1;Trident/",
        "AppleWebKit/1",
        "Opera Mini Version/",
        "search",
        "a.",
        "@a-",
        "mozilla/5.0 (a-.",
        "1.1",
        "a/1.1",
        "; a",
        "(",
        "iPhone OS 1_",
        " ",
    ],
)
def test_hostile_agents_are_answered(word: str) -> None:
    """A megabyte of what the expressions look for; with quadratic or worse behaviour this would take hours."""
    hostile = word * (1_000_000 // len(word))
    assert describe(hostile) == describe(hostile[:1000])
    assert bot_family(hostile) == "Other"


def test_patterns_are_lower_case_as_the_text_they_are_matched_with() -> None:
    assert len(PATTERNS) == len(set(PATTERNS)) == 206
    assert [pattern for pattern in PATTERNS if (bare := re.sub(r"\\.", "", pattern)) != bare.lower()] == []
