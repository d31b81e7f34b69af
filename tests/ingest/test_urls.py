"""Addresses, with expected values from a running reference (§6.2) and from a JavaScript engine's URL class."""

from __future__ import annotations

import pytest
from ada_url import URL
from hypothesis import example, given
from hypothesis import strategies as st

from app.ingest import urls
from app.ingest.urls import (
    MISSING_URL,
    PageUrl,
    Referrer,
    decode_title,
    resolvable,
    split_referrer,
    split_url,
)


def test_reference_case_with_everything() -> None:
    url = "/a%20b/?utm_source=x&gclid=1&q=%C3%A9#frag%20x"
    assert split_url(url, "www.example.com") == PageUrl(
        path="/a b/#frag x",
        query="utm_source=x&gclid=1&q=%C3%A9",
        hostname="www.example.com",
        utm_source="x",
        gclid="1",
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.other.org/p?a=b", PageUrl("/p", "a=b", "other.org")),
        ("//evil.com/x", PageUrl("/x", "", "evil.com")),
        ("a/b", PageUrl("/a/b", "", "localhost")),
        (MISSING_URL, PageUrl("", "", "localhost")),
        ("undefined?a=1#b", PageUrl("", "a=1", "localhost")),
        ("", PageUrl("/", "", "localhost")),
        ("/%E0%A4%A", PageUrl("/%E0%A4%A", "", "localhost")),
        ("?x", PageUrl("/", "x", "localhost")),
        ("#frag", PageUrl("/#frag", "", "localhost")),
        ("?", PageUrl("/", "", "localhost")),
        ("\\\\evil.com\\x", PageUrl("/x", "", "evil.com")),
        ("/a\\b", PageUrl("/a/b", "", "localhost")),
        ("  /a\tb\nc ", PageUrl("/abc", "", "localhost")),
        ("javascript:alert(1)", PageUrl("alert(1)", "", "")),
        ("/münchen/日本?q=ü#é", PageUrl("/münchen/日本#é", "q=%C3%BC", "localhost")),
        ("../x/./y/..", PageUrl("/x/", "", "localhost")),
        ("https://x.org:443/a", PageUrl("/a", "", "x.org")),
        ("https://[::1]:3000/a", PageUrl("/a", "", "[::1]")),
        ("https://user:pw@www.www.X.org:8080/", PageUrl("/", "", "www.x.org")),
    ],
)
def test_page_url_without_hostname(url: str, expected: PageUrl) -> None:
    assert split_url(url, "") == expected


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/a/", "/a"),
        ("/a/#x", "/a#x"),
        ("/", ""),
        ("/a//", "/a/"),
        ("?z=1", ""),
        ("/a", "/a"),
        ("/a#b/", "/a#b"),
        ("/a/#b/", "/a#b/"),
        ("/a%2F", "/a%2F"),
    ],
)
def test_one_trailing_slash_removed(url: str, path: str) -> None:
    assert split_url(url, "", remove_trailing_slash=True).path == path


@pytest.mark.parametrize("hostname", ["a b", "h:99999", "[::1", "%zz", "x<y"])
def test_hostname_that_makes_no_base_is_kept_but_not_resolved(hostname: str) -> None:
    assert split_url("/p?a=b", hostname) == PageUrl("/p", "a=b", hostname)
    assert split_referrer("/p?a=b", hostname) == Referrer("", "/p", "a=b")


@pytest.mark.parametrize(
    ("hostname", "domain"),
    [
        ("localhost:3000", ""),
        ("http://x.org", "http"),
        ("[::1]", "[::1]"),
        ("x/y", "x"),
        ("münchen.de", "xn--mnchen-3ya.de"),
    ],
)
def test_unusual_hostnames(hostname: str, domain: str) -> None:
    assert split_url("/p", hostname) == PageUrl("/p", "", hostname)
    assert split_referrer("/p", hostname) == Referrer(domain, "/p", "")


@pytest.mark.parametrize(
    ("path", "decoded"),
    [
        ("/%3B%2F%3F%3A%40%26%3D%2B%24%2C%23", "/%3B%2F%3F%3A%40%26%3D%2B%24%2C%23"),
        ("/%3b%2f%41%2c", "/%3b%2fA%2c"),  # kept escapes keep their case
        ("/%25%32%30", "/%20"),  # decoded once, not twice
        ("/%C3%A9%2F%F0%9F%98%80", "/é%2F😀"),
        ("/%21%22%27%28%29%2A", "/!\"'()*"),
        ("/%41%", "/%41%"),
        ("/%41%G0", "/%41%G0"),
        ("/%41%C3", "/%41%C3"),  # a sequence that stops
        ("/%C3%2F%A9", "/%C3%2F%A9"),
        ("/%C0%80", "/%C0%80"),  # overlong
        ("/%ED%A0%80", "/%ED%A0%80"),  # a surrogate
        ("/%F4%90%80%80", "/%F4%90%80%80"),  # past U+10FFFF
        ("/a%00b", "/ab"),
    ],
)
def test_paths_decode_like_decode_uri(path: str, decoded: str) -> None:
    assert split_url(path, "").path == decoded
    assert split_referrer(path, "").path == decoded


@pytest.mark.parametrize(
    ("title", "decoded"),
    [
        ("100%", "100%"),
        ("Sale%3A%2050%25", "Sale: 50%"),
        ("%C3%A9 — é", "é — é"),
        ("%E0%A4%A", "%E0%A4%A"),
        ("a+b", "a+b"),
        ("%00x", "x"),
        ("x" * 501, "x" * 500),
        ("%20" * 501, " " * 500),
    ],
)
def test_titles_decode_like_decode_uri_component(title: str, decoded: str) -> None:
    assert decode_title(title) == decoded


def test_campaign_parameters() -> None:
    query = (
        "utm_source=a+b&utm_source=second&utm_medium=%C3%A9%ff&utm_campaign=&utm_content&utm_term=a=b"
        "&%75tm%5Fid=1&fbclid=f&%6Dsclkid=m&ttclid=%26&li_fat_id=l%00i&twclid=t&GCLID=no"
    )
    assert split_url(f"/?{query}", "example.com") == PageUrl(
        path="/",
        query=query,
        hostname="example.com",
        utm_source="a b",
        utm_medium="é\N{REPLACEMENT CHARACTER}",
        utm_term="a=b",
        fbclid="f",
        msclkid="m",
        ttclid="&",
        li_fat_id="li",
        twclid="t",
    )


def test_the_first_value_counts_even_if_empty() -> None:
    assert split_url("/?gclid=&gclid=2", "").gclid == ""


def test_parts_are_cut_to_their_limits() -> None:
    page = split_url(f"https://www.{'h.' * 110}org/{'%C3%A9' * 600}?utm_source={'s' * 300}&x={'q' * 600}", "")
    assert page.path == "/" + "é" * 499
    assert page.query == f"utm_source={'s' * 300}&x={'q' * 186}"
    assert page.utm_source == "s" * 255
    assert page.hostname == "h." * 50
    referrer = split_referrer(f"https://x.org/{'p' * 600}?{'q' * 600}", "")
    assert referrer == Referrer("x.org", "/" + "p" * 499, "q" * 500)


def test_campaign_parameters_past_the_stored_part_of_the_query_count() -> None:
    assert split_url(f"/?x={'q' * 600}&gclid=1", "").gclid == "1"


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        ("https://www.google.com/a/?b=c#d", Referrer("google.com", "/a/", "b=c")),
        ("/internal?x=1", Referrer("site.com", "/internal", "x=1")),
        ("http://localhost:3000/x", Referrer("", "/x", "")),
        ("android-app://com.foo/bar", Referrer("com.foo", "/bar", "")),
        ("https://user:pw@www.x.org:8080/p", Referrer("x.org", "/p", "")),
        ("http://www.www.y.org/", Referrer("www.y.org", "/", "")),
        ("", Referrer("", "", "")),
        ("about:blank", Referrer("", "blank", "")),
        ("?q", Referrer("site.com", "/", "q")),
        ("https://x.org/a%2Fb%20c", Referrer("x.org", "/a%2Fb c", "")),
    ],
)
def test_referrers_on_www_site_com(referrer: str, expected: Referrer) -> None:
    assert split_referrer(referrer, "www.site.com") == expected


@pytest.mark.parametrize("url", ["", "/x", "a b", "#", "javascript:", "mailto:x", "//h/x", "/%zz", "\x00/x"])
def test_resolvable(url: str) -> None:
    assert resolvable(url) is True


@pytest.mark.parametrize("url", ["//", "http://h:99999/", "https://exa mple.org/", "http://[::1", "https://"])
def test_not_resolvable(url: str) -> None:
    assert resolvable(url) is False
    with pytest.raises(ValueError, match="Invalid input"):
        split_url(url, "example.com")


_HOSTS = [
    "",
    "example.com",
    "a-b.co.uk",
    "localhost",
    "x.1",
    "1.2.3.4",
    "0x7f.x0",
    "xn--a.de",
    "a--b.de",
    "A.de",
    "a..b",
]
_PARTS = st.text("ab9A_.~!$&()*+,;=:@%-/?#2eE'\"|\\ é", max_size=12)


@given(
    st.sampled_from(["", "http://", "https://", "ftp://"]),
    st.sampled_from(_HOSTS),
    _PARTS,
    st.sampled_from(_HOSTS),
)
@example("https://", "example.com", "/a/%2E%2e/b", "")
@example("", "", "//a.b/c", "example.com")
@example("https://", "example.com", "/?a'b", "")
def test_addresses_read_without_the_library_are_what_it_makes_of_them(
    scheme: str, host: str, rest: str, hostname: str
) -> None:
    url = scheme + host + rest
    assert resolvable(url) == URL.can_parse(url, "https://localhost")
    if resolvable(url):
        parsed = urls._parse(url, hostname)
        parts = (parsed.hostname, parsed.pathname, parsed.search[1:], parsed.hash[1:])
        assert urls._resolve(url, hostname) == parts


@pytest.mark.parametrize(
    "url", ["https://www.example.com/a/b.html?c=%C3%A9&d#e", "/caf%C3%A9/", "http://a.de/#/x?y"]
)
def test_what_browsers_send_needs_no_library(url: str) -> None:
    assert urls._PLAIN.fullmatch(url)
