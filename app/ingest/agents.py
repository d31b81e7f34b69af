"""What a user agent says about itself: browser, operating system, device, and whether it is a bot.

The stored names are Umami's, so that figures from before and after a move add up (Umami v2 REST behaviour
§2.4). They are made by first-match tables on the raw text. '' is "not known". Only the first `LIMIT`
characters are looked at: browsers seldom send more, and the time a hostile agent can cost stays bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.ingest.bots import FAMILIES, PATTERNS

LIMIT: Final = 1000  # characters


@dataclass(frozen=True, slots=True)
class Agent:
    """One user agent, described. `browser` and `os` are stored names, '' if not known."""

    browser: str
    os: str
    bot: bool


def describe(agent: str) -> Agent:
    """Everything a user agent tells, remembered for the agents seen most recently."""
    return _describe(agent[:LIMIT])


def is_bot(agent: str) -> bool:
    """Whether the agent is automated, by the patterns of npm isbot 5.1. '' is not a bot."""
    # Through bytes, because only ASCII letters may fold: str.lower() makes a "k" of the Kelvin sign.
    text = _as_javascript(agent).encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    return bool(text) and (
        text.startswith(_BOT_STARTS)
        or any(word in text for word in _BOT_WORDS)
        or _BOT_PATTERN.search(text) is not None
    )


def browser_name(agent: str) -> str:
    """The stored browser name, e.g. `chrome`, `ios` for Safari on an iPhone. '' if no rule matches."""
    return _first_match(_BROWSERS, agent)


def os_name(agent: str) -> str:
    """The stored operating system name, e.g. `Mac OS`. '' if no rule matches."""
    return _first_match(_SYSTEMS, agent)


def device_name(os: str, screen: str) -> str:
    """`desktop`, `laptop`, `tablet` or `mobile`, from the stored OS name and a screen like `1920x1080`.

    Without a screen ''. A width that is not a number is neither large nor small: a desktop system is `desktop`,
    all else `mobile`.
    """
    if not screen:
        return ""
    width = _width(screen)
    if os in _DESKTOP_SYSTEMS:
        return "laptop" if os == "Chrome OS" or width < 1920 else "desktop"
    if os in _MOBILE_SYSTEMS:
        return "tablet" if os == "Amazon OS" or width > 479 else "mobile"
    return next((name for least, name in _DEVICES_BY_WIDTH if width >= least), "mobile")


def bot_family(agent: str) -> str:
    """The family of a refused agent for counting, e.g. `Googlebot`; `Other` unless it is in `bots.FAMILIES`.

    user-agents copies some families out of the agent itself; without the list anyone could add labels to a
    counter.
    """
    return _bot_family(agent[:_FAMILY_LIMIT])


# ua-parser runs hundreds of backtracking expressions; families stand near the beginning.
_FAMILY_LIMIT: Final = 300


@lru_cache(maxsize=1024)
def _bot_family(agent: str) -> str:
    # Imported by the first bot: its expressions take 3 MiB and a fifth of a second of every start.
    from user_agents import parse

    family: str = parse(agent).browser.family
    return family if family in FAMILIES else "Other"


@lru_cache(maxsize=4096)
def _describe(agent: str) -> Agent:
    return Agent(browser_name(agent), os_name(agent), is_bot(agent))


_JS_SPACES: Final = dict.fromkeys(
    (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000, 0xFEFF), "\t"
)
_JS_LINE_ENDS: Final = dict.fromkeys((0x0D, 0x2028, 0x2029), "\n")
_JS_CHARACTERS: Final = str.maketrans({**_JS_SPACES, **_JS_LINE_ENDS})
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")


def _as_javascript(agent: str) -> str:
    """The agent such that ASCII expressions of Python match it as JavaScript's match the original.

    JavaScript's `.` stops at four line ends, Python's at one; JavaScript's `\\s` knows Unicode spaces while
    its `\\w` does not know Unicode letters; a character beyond 16 bits counts as two.
    """
    agent = agent[:LIMIT]
    if agent.isascii():
        return agent.replace("\r", "\n")
    return _ASTRAL.sub("\x80\x80", agent).translate(_JS_CHARACTERS)


Rules = tuple[tuple[str, re.Pattern[str]], ...]


def _rules(*table: tuple[str, str]) -> Rules:
    return tuple((name, re.compile(pattern, re.ASCII)) for name, pattern in table)


def _first_match(rules: Rules, agent: str) -> str:
    text = _as_javascript(agent)
    return next((name for name, pattern in rules if pattern.search(text)), "")


# Equal in outcome to npm detect-browser 5.3. Where a rule looks for three texts one after the other, the
# first two are kept where they are first found (`(?>…)`): trying later ones cannot help, and takes cubic time
# on an agent that repeats the words.
_BROWSERS: Final = _rules(
    ("aol", r"AOLShield/[0-9._]"),
    ("edge", r"Edge/[0-9._]"),
    ("edge-ios", r"EdgiOS/[0-9._]"),
    ("yandexbrowser", r"YaBrowser/[0-9._]"),
    ("kakaotalk", r"KAKAOTALK\s[0-9.]"),
    ("samsung", r"SamsungBrowser/[0-9.]"),
    ("silk", r"\bSilk/[0-9._-]+\b"),
    ("miui", r"MiuiBrowser/[0-9.]+\Z"),
    ("beaker", r"BeakerBrowser/[0-9.]"),
    ("edge-chromium", r"EdgA?/[0-9.]"),
    ("chromium-webview", r"wv\).*Chrom(?:e|ium)/[0-9.]+(?::?\s|\Z)"),
    ("chrome", r"(?!Chrom.*OPR)Chrom(?:e|ium)/[0-9.]+(?::?\s|\Z)"),
    ("phantomjs", r"PhantomJS/[0-9.]+(?::?\s|\Z)"),
    ("crios", r"CriOS/[0-9.]+(?::?\s|\Z)"),
    ("firefox", r"Firefox/[0-9.]+(?:\s|\Z)"),
    ("fxios", r"FxiOS/[0-9.]"),
    ("opera-mini", r"Opera Mini.*Version/[0-9.]"),
    ("opera", r"Opera/[0-9.]+(?:\s|\Z)"),
    ("opera", r"OPR/[0-9.]+(?::?\s|\Z)"),
    ("pie", r"^Microsoft Pocket Internet Explorer/\d+\.\d+\Z"),
    ("pie", r"^Mozilla/\d\.\d+\s\(compatible;\s(?:MSP?IE|MSInternet Explorer) \d+\.\d+;.*Windows CE.*\)\Z"),
    ("netfront", r"^Mozilla/\d\.\d.*NetFront/\d.\d"),
    ("ie", r"(?>Trident/7\.0.*?rv:[0-9.].*?\)).*Gecko\Z"),
    ("ie", r"MSIE\s[0-9.]+;.*Trident/[4-7].0"),
    ("ie", r"MSIE\s7\.0"),
    ("bb10", r"BB10;\sTouch.*Version/[0-9.]"),
    ("android", r"Android\s[0-9.]"),
    ("ios", r"(?>Version/[0-9._].*?Mobile).*Safari"),
    ("safari", r"Version/[0-9._].*Safari"),
    ("facebook", r"FB[AS]V/[0-9.]"),
    ("instagram", r"Instagram\s[0-9.]"),
    ("ios-webview", r"AppleWebKit/[0-9.].*Mobile"),
    ("ios-webview", r"AppleWebKit/[0-9.].*Gecko\)\Z"),
    ("curl", r"^curl/[0-9.]+\Z"),
    (
        "searchbot",
        r"alexa|bot|crawl(?:er|ing)|facebookexternalhit|feedburner|google web preview|nagios|postrank|pingdom"
        r"|slurp|spider|yahoo!|yandex",
    ),
)

_SYSTEMS: Final = _rules(
    ("iOS", r"iP(?:hone|od|ad)"),
    ("Android OS", r"Android"),
    ("BlackBerry OS", r"BlackBerry|BB10"),
    ("Windows Mobile", r"IEMobile"),
    ("Amazon OS", r"Kindle"),
    ("Windows 3.11", r"Win16"),
    ("Windows 95", r"Windows 95|Win95|Windows_95"),
    ("Windows 98", r"Windows 98|Win98"),
    ("Windows 2000", r"Windows NT 5.0|Windows 2000"),
    ("Windows XP", r"Windows NT 5.1|Windows XP"),
    ("Windows Server 2003", r"Windows NT 5.2"),
    ("Windows Vista", r"Windows NT 6.0"),
    ("Windows 7", r"Windows NT 6.1"),
    ("Windows 8", r"Windows NT 6.2"),
    ("Windows 8.1", r"Windows NT 6.3"),
    ("Windows 10", r"Windows NT 10.0"),
    ("Windows ME", r"Windows ME"),
    ("Windows CE", r"Windows CE|WinCE|Microsoft Pocket Internet Explorer"),
    ("Open BSD", r"OpenBSD"),
    ("Sun OS", r"SunOS"),
    ("Chrome OS", r"CrOS"),
    ("Linux", r"Linux|X11"),
    ("Mac OS", r"Mac_PowerPC|Macintosh"),
    ("QNX", r"QNX"),
    ("BeOS", r"BeOS"),
    ("OS/2", r"OS/2"),
)

_MOBILE_SYSTEMS: Final = frozenset(("Amazon OS", "Android OS", "BlackBerry OS", "iOS", "Windows Mobile"))
_DESKTOP_SYSTEMS: Final = frozenset(name for name, _ in _SYSTEMS) - _MOBILE_SYSTEMS - {"Windows CE"}
_DEVICES_BY_WIDTH: Final = ((1920, "desktop"), (1024, "laptop"), (479, "tablet"))

_DECIMAL: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def _width(screen: str) -> float:
    """The text before the `x` as JavaScript reads a number: nothing is 0, what is not a decimal is NaN."""
    text = screen.partition("x")[0].strip()
    return float(text or 0) if not text or _DECIMAL.fullmatch(text) else float("nan")


# Most patterns are plain words. Searching for those one by one, and only for the rest by expression, takes a
# third of the time of one large alternation.
_PLAIN: Final = re.compile(r"[^\\^$.|?*+()\[\]{}]+")
_BOT_WORDS: Final = tuple(pattern for pattern in PATTERNS if _PLAIN.fullmatch(pattern))
_BOT_STARTS: Final = tuple(
    pattern[1:] for pattern in PATTERNS if pattern[0] == "^" and _PLAIN.fullmatch(pattern, 1)
)
_BOT_PATTERN: Final = re.compile(
    "|".join(pattern for pattern in PATTERNS if not _PLAIN.fullmatch(pattern.removeprefix("^"))), re.ASCII
)
