"""Channels: how a visitor came, by referrer and query string (Umami v2 REST behaviour §3.6, "Channel")."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql.expression import ColumnElement, FromClause, Select

from app.sql import fits
from app.stats.groups import measured
from app.stats.measures import MEASURES, Counted

# In the order that equal numbers are shown in.
CHANNELS: Final = (
    "direct",
    "referral",
    "affiliate",
    "email",
    "sms",
    "organicSearch",
    "organicSocial",
    "organicShopping",
    "organicVideo",
    "paidAds",
    "paidSearch",
    "paidSocial",
    "paidShopping",
    "paidVideo",
)


# What a channel is told by.
SOURCE: Final = ("referrer_domain", "url_query")


@dataclass(frozen=True, slots=True)
class _Rule:
    """Fits where the domain contains one of `domains`, or the query matches one of the expressions in `query`."""

    channel: str
    domains: str = ""
    query: tuple[str, ...] = ()
    # Whether there is a paid and an organic channel of this kind.
    split: bool = False


_AD_MARKS: Final = """
    utm_source=google gclid= fbclid= msclkid= dclid= twclid= li_fat_id= epik= ttclid= scid= aid= pc_id= ad_id=
    rdt_cid= ob_click_id= utm_medium=cpc utm_medium=paid utm_medium=paid_social
"""

# The first rule that fits decides. Matching is by substring, so `t.co` fits microsoft.com as well.
_RULES: Final = (
    _Rule("paidAds", query=tuple(map(re.escape, _AD_MARKS.split()))),
    _Rule("referral", query=("utm_medium=(referral|app|link)",)),
    _Rule("affiliate", query=("utm_medium=affiliate",)),
    _Rule("sms", query=("utm_(source|medium)=sms",)),
    _Rule(
        "Search",
        "google. bing.com msn.com duckduckgo.com search.brave.com yandex. baidu.com ecosia.org chatgpt.com perplexity.ai",
        ("utm_medium=organic",),
        split=True,
    ),
    _Rule(
        "Social",
        "facebook.com fb.com instagram.com ig.com twitter.com t.co x.com linkedin. tiktok. reddit. threads.net bsky.app "
        "news.ycombinator.com snapchat. pinterest.",
        ("utm_medium=(social|sm)",),
        split=True,
    ),
    _Rule(
        "email",
        "gmail. mail.yahoo. outlook. hotmail. protonmail. proton.me",
        ("utm_medium=.*(e-mail|email|e_mail|e mail)",),
    ),
    _Rule(
        "Shopping",
        "amazon. ebay.com walmart.com alibab.com aliexpress.com etsy.com bestbuy.com target.com newegg.com",
        # "shop" counts behind anything but a lower-case letter other than e: `e-shop` and `eshop`, not `workshop`.
        ("utm_campaign=.*([^a-df-z]shop|shopping)",),
        split=True,
    ),
    _Rule("Video", "youtube. twitch.", ("utm_medium=.*video",), split=True),
)
_PAID: Final = "utm_medium=(.*cp|ppc|retargeting|paid)"


def channel_of(domain: ColumnElement[str], query: ColumnElement[str]) -> ColumnElement[str]:
    """The channel of a referrer and a query string, '' for none (such as a link from another site)."""
    prefix = sa.case((fits(query, _pattern(_PAID)), "paid"), else_="organic")
    branches: list[tuple[ColumnElement[bool], ColumnElement[str]]] = [
        (sa.and_(domain == "", query == ""), sa.literal("direct", sa.Text))
    ]
    for rule in _RULES:
        tests = [fits(query, _pattern("|".join(rule.query)))]
        if rule.domains:
            tests.append(fits(domain, _pattern("|".join(map(re.escape, rule.domains.split())))))
        name = sa.literal(rule.channel, sa.Text)
        branches.append((sa.or_(*tests), prefix.concat(name) if rule.split else name))
    return sa.case(*branches, else_=sa.literal("", sa.Text))


def by_channel(
    rows: FromClause,
    sites: Mapping[str, str],
    names: Collection[str],
    conditions: Sequence[ColumnElement[bool]] = (),
    *,
    directly: bool = False,
) -> Select[Any]:
    """The keys in `sites`, `key_0`, the channel, and the measures of these names; channels without events are absent.

    `rows` is a relation (`app.stats.groups`) with SOURCE among its keys, of events of any type. Measures are taken for
    each pair of referrer and query string and then added up, so a visitor who came through two pairs of a channel
    counts twice in it: REST clients know it so.
    """
    keys = {**sites, **dict(zip(SOURCE, SOURCE, strict=True))}
    # What has an offset is computed before it is looked at. Without one PostgreSQL would tell the channel of each event
    # rather than of each pair, to leave out those that have none: that took three quarters of the time.
    pairs = (
        measured(rows, keys, names, Counted.BOTH, conditions, directly=directly).offset(0).subquery("pairs")
    )
    channel = channel_of(*(pairs.c[name] for name in SOURCE)).label("key_0")
    by = [pairs.c[name] for name in sites]
    named = sa.select(*by, channel, *(pairs.c[name] for name in MEASURES if name in names)).subquery("named")
    groups = [*(named.c[name] for name in sites), named.c.key_0]
    sums = (sa.func.sum(named.c[name]).label(name) for name in MEASURES if name in names)
    return sa.select(*groups, *sums).where(named.c.key_0 != "").group_by(*groups)


def _pattern(text: str) -> ColumnElement[str]:
    return sa.literal(text, sa.Text)
