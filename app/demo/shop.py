"""A shop for lamps and wooden things: revenue in four currencies, advertising on every channel, a checkout test."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from app.demo.model import (
    LEAVE,
    Experiment,
    Happening,
    Page,
    Site,
    Source,
    Visitor,
    Wave,
    days_ago,
    hours,
    ranked,
    weekly,
    weighted,
    yearly,
)

_PRODUCTS: Final = {
    "arc-floor-lamp": ("Arc floor lamp", 249.0),
    "paper-moon-pendant": ("Paper moon pendant", 89.0),
    "oak-side-table": ("Oak side table", 179.0),
    "linen-table-lamp": ("Linen table lamp", 74.5),
    "walnut-wall-shelf": ("Walnut wall shelf", 129.0),
    "brass-reading-light": ("Brass reading light", 112.0),
    "ash-stool": ("Ash stool", 98.0),
    "wool-throw": ("Wool throw", 69.0),
    "beeswax-candles": ("Beeswax candles", 18.9),
    "larch-coat-rack": ("Larch coat rack", 139.0),
    "porcelain-wall-lamp": ("Porcelain wall lamp", 96.0),
    "beech-desk": ("Beech desk", 489.0),
    "filament-bulb": ("Filament bulb E27", 12.5),
    "birch-tray": ("Birch tray", 34.0),
}
_TERMS: Final = ranked(
    ("floor lamp", "pendant", "bedside", "desk", "gift", "bulb e27", "oak", "shelf", "throw")
)
_RATES: Final = {"EUR": 1.0, "USD": 1.1, "GBP": 0.86, "CHF": 0.95}
_ITEMS: Final = weighted({1: 62, 2: 25, 3: 9, 5: 4})
_PAYMENT: Final = weighted({"card": 52, "paypal": 28, "invoice": 14, "bank transfer": 6})
_PRODUCT_SLUGS: Final = ranked(_PRODUCTS)


def _price(slug: str, visitor: Visitor) -> float:
    return round(_PRODUCTS[slug][1] * _RATES[visitor.place.market.currency], 2)


def _slug(page: Page) -> str:
    return page.path.rpartition("/")[2]


def _added(rng: Random, visitor: Visitor, page: Page) -> dict[str, Any]:
    slug = _slug(page)
    return {"product": slug, "price": _price(slug, visitor), "quantity": _ITEMS.draw(rng)}


def _wished(_rng: Random, _visitor: Visitor, page: Page) -> dict[str, Any]:
    return {"product": _slug(page)}


def _searched(rng: Random, _visitor: Visitor, page: Page) -> dict[str, Any]:
    term = page.path.partition("q=")[2].replace("+", " ")
    return {"term": term, "results": int(rng.random() * 24)}


def _paid(rng: Random, visitor: Visitor, _page: Page) -> dict[str, Any]:
    count = _ITEMS.draw(rng)
    total = round(sum(_price(_PRODUCT_SLUGS.draw(rng), visitor) for _ in range(count)), 2)
    return {
        "revenue": total,
        "currency": visitor.place.market.currency,
        "items": count,
        "payment": _PAYMENT.draw(rng),
        "gift": rng.random() < 0.12,
        "shipping": {
            "method": "express" if rng.random() < 0.2 else "standard",
            "country": visitor.client.location.country,
        },
    }


def _subscribed(_rng: Random, _visitor: Visitor, _page: Page) -> dict[str, Any]:
    return {"list": "new-arrivals"}


def _customer(rng: Random, joined: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tier": "silver" if rng.random() < 0.2 else "basic",
        "newsletter": rng.random() < 0.4,
        "first_order": joined["revenue"],
    }


_HOME: Final = weighted({"home": 80, "collection": 20})
_OFFERS: Final = weighted({"collection": 70, "product": 30})
_PRODUCT: Final = weighted({"product": 85, "collection": 15})
_MIXED: Final = weighted({"home": 35, "collection": 30, "product": 35})

SHOP: Final = Site(
    key="shop",
    name="Lumen & Larch (demo shop)",
    domain="lumenlarch.example",
    visits=135,
    growth=1.5,
    weekdays=(0.98, 0.94, 0.95, 0.98, 0.93, 1.05, 1.24),
    months=(0.92, 0.88, 0.94, 0.95, 0.88, 0.82, 0.80, 0.84, 0.96, 1.08, 1.34, 1.42),
    holidays={(12, 24): 0.5, (12, 25): 0.38, (12, 26): 0.7, (12, 31): 0.6, (1, 1): 0.55},
    hours=hours("9 5 3 2 2 4 11 22 32 38 42 45 50 47 44 43 45 50 58 70 84 82 60 27"),
    audience={
        "DE": 3.2,
        "AT": 2.6,
        "CH": 2.4,
        "NL": 1.8,
        "GB": 1.2,
        "US": 0.45,
        "IN": 0.1,
        "JP": 0.3,
        "BR": 0.2,
        "KR": 0.1,
    },
    mobile=1.5,
    returning=0.34,
    attention=31,
    sources=(
        Source(26, _HOME),
        Source(30, _PRODUCT, "https://www.google.com/"),
        Source(4.5, _PRODUCT, "https://www.bing.com/"),
        Source(2.2, _PRODUCT, "https://duckduckgo.com/"),
        Source(1.2, _PRODUCT, "https://www.ecosia.org/"),
        Source(1.1, _PRODUCT, "https://chatgpt.com/"),
        Source(
            8,
            _OFFERS,
            "https://www.google.com/",
            "utm_source=google&utm_medium=cpc&utm_campaign=lamps&gclid={click}",
        ),
        Source(2.4, _OFFERS, "https://www.bing.com/", "utm_source=bing&utm_medium=ppc&utm_campaign=lamps"),
        Source(
            1.2,
            _OFFERS,
            "https://www.bing.com/",
            "utm_source=bing&utm_medium=cpc&utm_campaign=shelves&msclkid={click}",
        ),
        Source(5, _MIXED, "https://www.instagram.com/"),
        Source(3, _PRODUCT, "https://www.pinterest.com/pin/48210/"),
        Source(
            3.2,
            _OFFERS,
            "https://l.facebook.com/",
            "utm_source=facebook&utm_medium=cpm&utm_campaign=living-room",
        ),
        Source(
            1.4,
            _OFFERS,
            "https://l.facebook.com/",
            "utm_source=facebook&utm_medium=paid_social&utm_campaign=living-room&fbclid={click}",
        ),
        Source(
            1.1,
            _OFFERS,
            "https://www.tiktok.com/",
            "utm_source=tiktok&utm_medium=paid_social&utm_campaign=glow&ttclid={click}",
        ),
        Source(1.8, _PRODUCT, "https://www.etsy.com/"),
        Source(
            1.0, _PRODUCT, "https://www.ebay.com/", "utm_source=ebay&utm_medium=ppc&utm_campaign=marketplace"
        ),
        Source(1.6, _PRODUCT, "https://www.youtube.com/"),
        Source(
            1.0,
            _PRODUCT,
            "https://www.youtube.com/",
            "utm_source=youtube&utm_medium=cpv&utm_campaign=how-we-build",
        ),
        Source(
            2.4,
            _PRODUCT,
            "https://quiethomes.example/best-lamps",
            "utm_source=quiethomes&utm_medium=affiliate",
        ),
        Source(2.0, _HOME, "https://woodguild.example/members", "utm_source=woodguild&utm_medium=referral"),
        Source(2.6, _MIXED, "https://interior-notes.example/2024/small-rooms"),
        Source(1.6, _MIXED, "", "utm_source=loyalty&utm_medium=sms&utm_campaign=members-first"),
        Source(1.2, _HOME, "https://mail.yahoo.com/"),
        Source(
            9,
            _OFFERS,
            "https://www.google.com/",
            "utm_source=google&utm_medium=cpc&utm_campaign=spring-light&utm_content=banner-a&gclid={click}",
            (11, 15),
        ),
        Source(
            7,
            _OFFERS,
            "https://www.instagram.com/",
            "utm_source=instagram&utm_medium=social&utm_campaign=summer-evenings",
            (24, 30),
        ),
        Source(
            8,
            _OFFERS,
            "https://l.facebook.com/",
            "utm_source=facebook&utm_medium=cpm&utm_campaign=winter-glow&utm_content=carousel",
            (46, 52),
        ),
        Source(
            6,
            _MIXED,
            "https://www.google.com/",
            "utm_source=google&utm_medium=cpc&utm_campaign=winter-glow&utm_term=floor+lamp&gclid={click}",
            (46, 51),
        ),
    ),
    waves=(
        Wave(
            Source(1, _OFFERS, "", "utm_source=newsletter&utm_medium=email&utm_campaign=new-arrivals"),
            weekly(3),
            (34, 14, 5),
        ),
        Wave(
            Source(1, _OFFERS, "", "utm_source=newsletter&utm_medium=email&utm_campaign=black-week"),
            yearly(11, 24),
            (120, 190, 150, 330, 240, 170, 210, 60),
        ),
        Wave(
            Source(1, _PRODUCT, "https://www.reddit.com/r/interiors/"),
            days_ago(211, 47),
            (410, 260, 90, 35, 12),
        ),
    ),
    pages={
        "home": weighted({Page("/", "Lumen & Larch: lamps and wooden things"): 1}),
        "collection": ranked(
            Page(f"/collections/{key}", f"{title} | Lumen & Larch")
            for key, title in (
                ("lamps", "Lamps"),
                ("tables", "Tables"),
                ("sale", "Sale"),
                ("shelves", "Shelves"),
                ("textiles", "Textiles"),
            )
        ),
        "product": ranked(
            Page(f"/products/{slug}", f"{title} | Lumen & Larch") for slug, (title, _) in _PRODUCTS.items()
        ),
        "search": ranked(
            Page(f"/search?q={term.replace(' ', '+')}", "Search | Lumen & Larch") for term in _TERMS.things
        ),
        "cart": weighted({Page("/cart", "Your cart | Lumen & Larch"): 1}),
        "checkout": weighted({Page("/checkout", "Checkout | Lumen & Larch"): 1}),
        "thanks": weighted({Page("/checkout/thanks", "Thank you | Lumen & Larch"): 1}),
        "service": ranked(
            Page(f"/service/{key}", f"{title} | Lumen & Larch")
            for key, title in (
                ("shipping", "Shipping"),
                ("returns", "Returns"),
                ("contact", "Contact"),
                ("care", "Care guide"),
            )
        ),
    },
    flow={
        "home": weighted({LEAVE: 30, "collection": 42, "product": 15, "search": 9, "service": 4}),
        "collection": weighted({LEAVE: 31, "product": 50, "collection": 12, "search": 4, "home": 3}),
        "product": weighted(
            {LEAVE: 45, "product": 20, "collection": 16, "cart": 12, "service": 4, "home": 3}
        ),
        "search": weighted({LEAVE: 26, "product": 58, "search": 12, "collection": 4}),
        "cart": weighted({LEAVE: 30, "checkout": 48, "product": 15, "collection": 7}),
        "checkout": weighted({LEAVE: 34, "thanks": 52, "cart": 9, "service": 5}),
        "thanks": weighted({LEAVE: 82, "home": 12, "collection": 6}),
        "service": weighted({LEAVE: 54, "product": 20, "home": 14, "collection": 12}),
    },
    happenings={
        "home": (Happening("newsletter", 0.015, _subscribed),),
        "product": (Happening("add-to-cart", 0.15, _added), Happening("wishlist", 0.04, _wished)),
        "search": (Happening("search", 1.0, _searched),),
        "thanks": (Happening("purchase", 1.0, _paid, joins=0.55),),
    },
    members="customer",
    facts=_customer,
    experiment=Experiment(
        "checkout", 56, {"checkout": weighted({LEAVE: 25, "thanks": 63, "cart": 8, "service": 4})}
    ),
)
