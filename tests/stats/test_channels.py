"""Channels: the table of rules, pair by pair."""

from __future__ import annotations

import datetime as dt
from itertools import product
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.stats.channels import CHANNELS, channel_of
from app.tables import event
from tests.server import Server
from tests.stats import oracle
from tests.stats.oracle import Event
from tests.stats.worlds import store

# Referrer and query string → channel, each a row of the table in Umami v2 REST behaviour §3.6.
TABLE = {
    ("", ""): "direct",
    ("example.org", ""): None,
    ("google.com", "gclid=1"): "paidAds",
    ("", "utm_source=google"): "paidAds",
    ("", "utm_medium=paid"): "paidAds",
    ("", "my_aid=1"): "paidAds",
    ("google.com", "utm_medium=referral"): "referral",
    ("", "utm_medium=application"): "referral",
    ("", "utm_medium=affiliates"): "affiliate",
    ("", "utm_source=sms"): "sms",
    ("", "utm_medium=sms"): "sms",
    ("www.google.de", ""): "organicSearch",
    ("duckduckgo.com", "utm_medium=ppc"): "paidSearch",
    ("", "utm_medium=organic"): "organicSearch",
    ("t.co", ""): "organicSocial",
    ("microsoft.com", ""): "organicSocial",
    ("t.co", "utm_medium=x_cpm"): "paidSocial",
    ("t.co", "utm_campaign=cp&utm_medium=x"): "organicSocial",
    ("t.co", "utm_medium=x&n=cp"): "paidSocial",
    ("", "utm_medium=smart"): "organicSocial",
    ("mail.yahoo.com", ""): "email",
    ("", "utm_medium=news&list=e_mail"): "email",
    ("", "utm_medium=E-mail"): None,
    ("amazon.de", ""): "organicShopping",
    ("ebay.com", "utm_medium=retargeting"): "paidShopping",
    ("", "utm_campaign=e-shop"): "organicShopping",
    ("", "utm_campaign=eshop"): "organicShopping",
    ("", "utm_campaign=Xshop"): "organicShopping",
    ("", "utm_campaign=workshop"): None,
    ("", "utm_campaign=shop"): None,
    ("", "shop=1&utm_campaign=x"): None,
    ("", "utm_campaign=shopping"): "organicShopping",
    ("youtube.com", ""): "organicVideo",
    ("", "utm_medium=cpvideo"): "paidVideo",
    ("", "q=1"): None,
}


def stored_channels(server: Server, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], str | None]:
    website_id: UUID = uuid4()
    at = dt.datetime(2026, 11, 10, tzinfo=dt.UTC)
    columns = [{"referrer_domain": domain, "url_query": query} for domain, query in pairs]
    store(server.runtime, [Event(uuid4(), uuid4(), uuid4(), at, both) for both in columns], website_id)
    pair = (event.c.referrer_domain, event.c.url_query)
    query = sa.select(*pair, channel_of(*pair)).where(event.c.website_id == website_id)
    return {(domain, query): channel or None for domain, query, channel in server.runtime.events.rows(query)}


def test_the_table_of_rules(server: Server) -> None:
    assert stored_channels(server, list(TABLE)) == TABLE


@pytest.mark.parametrize("pair", TABLE)
def test_the_judge_follows_the_table_too(pair: tuple[str, str]) -> None:
    assert oracle.channel(*pair) == TABLE[pair]


def test_every_pair_is_what_the_judge_says(server: Server) -> None:
    domains = sorted(
        {domain for domain, _ in TABLE} | {"linkedin.com", "outlook.com", "etsy.com", "twitch.tv", "x"}
    )
    queries = sorted(
        {query for _, query in TABLE} | {"utm_campaign=a%20shop&utm_medium=email", "utm_campaign=shop-shop"}
    )
    pairs = list(product(domains, queries))
    assert stored_channels(server, pairs) == {pair: oracle.channel(*pair) for pair in pairs}


def test_the_order_of_equal_channels() -> None:
    assert list(CHANNELS) == oracle.CHANNELS
