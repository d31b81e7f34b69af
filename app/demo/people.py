"""The world's people: where they live, what they speak and pay with, and which devices they hold."""

from __future__ import annotations

from random import Random
from typing import Final

from app.demo.model import Device, Market, Place, Site, Visitor, Weighted, weighted
from app.ingest import agents
from app.ingest.client import Location
from app.ingest.rows import Client

_MARKETS: Final = {
    "DE": Market(weighted({"de-DE": 84, "en-US": 7, "de": 5, "tr-TR": 2}), "EUR", 0.9, 1.0),
    "AT": Market(weighted({"de-AT": 70, "de-DE": 20, "en-US": 6}), "EUR", 0.9, 1.0),
    "CH": Market(weighted({"de-CH": 60, "fr-CH": 22, "en-GB": 9, "it-CH": 5}), "CHF", 1.6, 1.0),
    "NL": Market(weighted({"nl-NL": 76, "en-US": 14, "en-GB": 6}), "EUR", 1.1, 1.0),
    "FR": Market(weighted({"fr-FR": 90, "en-US": 5, "fr": 4}), "EUR", 1.0, 1.0),
    "ES": Market(weighted({"es-ES": 80, "ca-ES": 9, "en-US": 6}), "EUR", 0.7, 1.2),
    "IT": Market(weighted({"it-IT": 91, "en-US": 5}), "EUR", 0.9, 1.2),
    "PT": Market(weighted({"pt-PT": 84, "en-US": 9}), "EUR", 0.8, 1.1),
    "PL": Market(weighted({"pl-PL": 86, "en-US": 9}), "EUR", 0.5, 1.0),
    "CZ": Market(weighted({"cs-CZ": 84, "en-US": 10}), "EUR", 0.7, 0.9),
    "SE": Market(weighted({"sv-SE": 76, "en-US": 14, "en-SE": 6}), "EUR", 1.6, 1.0),
    "DK": Market(weighted({"da-DK": 78, "en-US": 13}), "EUR", 1.7, 1.0),
    "GB": Market(weighted({"en-GB": 90, "en-US": 6, "pl-PL": 2}), "GBP", 1.4, 1.1),
    "IE": Market(weighted({"en-IE": 60, "en-GB": 30, "en-US": 8}), "EUR", 1.4, 1.1),
    "US": Market(weighted({"en-US": 90, "es-US": 5, "zh-CN": 2}), "USD", 1.7, 1.0),
    "CA": Market(weighted({"en-CA": 62, "en-US": 16, "fr-CA": 18}), "USD", 1.6, 1.0),
    "MX": Market(weighted({"es-MX": 88, "en-US": 8}), "USD", 0.6, 1.5),
    "BR": Market(weighted({"pt-BR": 94, "en-US": 5}), "USD", 0.5, 1.5),
    "IN": Market(weighted({"en-IN": 46, "en-GB": 24, "en-US": 18, "hi-IN": 9}), "USD", 0.2, 1.6),
    "NP": Market(weighted({"en-US": 55, "ne-NP": 35}), "USD", 0.3, 1.6),
    "JP": Market(weighted({"ja-JP": 92, "ja": 4, "en-US": 4}), "USD", 2.0, 1.1),
    "KR": Market(weighted({"ko-KR": 93, "en-US": 5}), "USD", 0.8, 1.2),
    "SG": Market(weighted({"en-SG": 40, "en-GB": 28, "zh-SG": 12, "en-US": 12}), "USD", 1.3, 1.2),
    "AU": Market(weighted({"en-AU": 84, "en-US": 8, "en-GB": 6}), "USD", 1.6, 1.1),
    "NZ": Market(weighted({"en-NZ": 80, "en-GB": 12}), "USD", 1.4, 1.1),
    "ZA": Market(weighted({"en-ZA": 72, "af-ZA": 10, "en-US": 12}), "USD", 0.5, 1.5),
    "NG": Market(weighted({"en-NG": 48, "en-GB": 32, "en-US": 16}), "USD", 0.3, 1.9),
}


def _place(country: str, region: str, city: str, zone: str, weight: float) -> Place:
    return Place(Location(country, f"{country}-{region}", city), zone, _MARKETS[country], weight)


PLACES: Final = (
    _place("DE", "BE", "Berlin", "Europe/Berlin", 5.2),
    _place("DE", "BY", "Munich", "Europe/Berlin", 3.6),
    _place("DE", "HH", "Hamburg", "Europe/Berlin", 3.0),
    _place("DE", "NW", "Cologne", "Europe/Berlin", 2.7),
    _place("DE", "SN", "Leipzig", "Europe/Berlin", 1.3),
    _place("AT", "9", "Vienna", "Europe/Vienna", 2.2),
    _place("CH", "ZH", "Zurich", "Europe/Zurich", 1.9),
    _place("NL", "NH", "Amsterdam", "Europe/Amsterdam", 3.0),
    _place("NL", "UT", "Utrecht", "Europe/Amsterdam", 1.0),
    _place("FR", "IDF", "Paris", "Europe/Paris", 4.1),
    _place("FR", "ARA", "Lyon", "Europe/Paris", 1.4),
    _place("ES", "MD", "Madrid", "Europe/Madrid", 2.2),
    _place("ES", "CT", "Barcelona", "Europe/Madrid", 1.7),
    _place("IT", "25", "Milan", "Europe/Rome", 2.1),
    _place("PT", "11", "Lisbon", "Europe/Lisbon", 1.1),
    _place("PL", "14", "Warsaw", "Europe/Warsaw", 2.0),
    _place("CZ", "10", "Prague", "Europe/Prague", 1.2),
    _place("SE", "AB", "Stockholm", "Europe/Stockholm", 1.5),
    _place("DK", "84", "Copenhagen", "Europe/Copenhagen", 1.1),
    _place("GB", "ENG", "London", "Europe/London", 6.2),
    _place("GB", "ENG", "Manchester", "Europe/London", 1.8),
    _place("GB", "SCT", "Edinburgh", "Europe/London", 1.1),
    _place("IE", "L", "Dublin", "Europe/Dublin", 1.3),
    _place("US", "CA", "San Francisco", "America/Los_Angeles", 5.4),
    _place("US", "CA", "Los Angeles", "America/Los_Angeles", 4.0),
    _place("US", "WA", "Seattle", "America/Los_Angeles", 2.9),
    _place("US", "TX", "Austin", "America/Chicago", 2.6),
    _place("US", "IL", "Chicago", "America/Chicago", 3.0),
    _place("US", "NY", "New York", "America/New_York", 6.4),
    _place("US", "MA", "Boston", "America/New_York", 2.2),
    _place("CA", "ON", "Toronto", "America/Toronto", 2.6),
    _place("CA", "BC", "Vancouver", "America/Vancouver", 1.2),
    _place("MX", "CMX", "Mexico City", "America/Mexico_City", 1.3),
    _place("BR", "SP", "São Paulo", "America/Sao_Paulo", 2.9),
    _place("BR", "RJ", "Rio de Janeiro", "America/Sao_Paulo", 1.1),
    _place("IN", "KA", "Bengaluru", "Asia/Kolkata", 4.4),
    _place("IN", "MH", "Mumbai", "Asia/Kolkata", 2.3),
    _place("NP", "P3", "Kathmandu", "Asia/Kathmandu", 0.4),
    _place("JP", "13", "Tokyo", "Asia/Tokyo", 3.2),
    _place("JP", "27", "Osaka", "Asia/Tokyo", 1.0),
    _place("KR", "11", "Seoul", "Asia/Seoul", 1.6),
    _place("SG", "01", "Singapore", "Asia/Singapore", 1.3),
    _place("AU", "NSW", "Sydney", "Australia/Sydney", 1.9),
    _place("AU", "VIC", "Melbourne", "Australia/Melbourne", 1.4),
    _place("NZ", "AUK", "Auckland", "Pacific/Auckland", 0.6),
    _place("ZA", "WC", "Cape Town", "Africa/Johannesburg", 0.7),
    _place("NG", "LA", "Lagos", "Africa/Lagos", 0.9),
)

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
_CHROME = "Chrome/138.0.0.0 Safari/537.36"

_PC = weighted({"1920x1080": 52, "1536x864": 20, "2560x1440": 14, "1366x768": 10, "3840x2160": 3})
_MACBOOK = weighted({"1512x982": 34, "1440x900": 30, "1728x1117": 18, "2560x1440": 12, "1920x1080": 6})
_IPHONES = weighted({"390x844": 38, "393x852": 30, "430x932": 16, "375x812": 10, "375x667": 6})
_IPADS = weighted({"820x1180": 50, "768x1024": 30, "1024x1366": 20})
_PHONES = weighted({"412x915": 38, "360x800": 30, "384x832": 14, "393x873": 12, "360x780": 6})

DEVICES: Final = (
    Device(f"{_WINDOWS} {_CHROME}", _PC, 25, False, False),
    Device(f"{_WINDOWS} {_CHROME} Edg/138.0.0.0", _PC, 8, False, False),
    Device(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
        _PC,
        5,
        False,
        False,
    ),
    Device(f"{_WINDOWS} {_CHROME} OPR/121.0.0.0", _PC, 1.4, False, False),
    Device(f"{_MAC} AppleWebKit/537.36 (KHTML, like Gecko) {_CHROME}", _MACBOOK, 9, True, False),
    Device(
        f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
        _MACBOOK,
        7,
        True,
        False,
    ),
    Device(f"{_LINUX} {_CHROME}", _PC, 2.2, False, False),
    Device("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", _PC, 1.9, False, False),
    Device(
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) {_CHROME}",
        weighted({"1366x768": 70, "1920x1080": 30}),
        0.9,
        False,
        False,
    ),
    Device(f"{_IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", _IPHONES, 13, True, True),
    Device(f"{_IPHONE} CriOS/138.0.7204.53 Mobile/15E148 Safari/604.1", _IPHONES, 2, True, True),
    Device(
        "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Mobile/15E148 Safari/604.1",
        _IPADS,
        2.2,
        True,
        True,
    ),
    Device(f"{_ANDROID} Chrome/138.0.0.0 Mobile Safari/537.36", _PHONES, 15, False, True),
    Device(
        f"{_ANDROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", _PHONES, 3.6, False, True
    ),
    Device("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", _PHONES, 1.2, False, True),
)


class Births:
    """Makes the visitors of one site, each fitting together: place, language, device, screen."""

    def __init__(self, site: Site) -> None:
        self._places = Weighted((p, p.weight * site.audience.get(p.location.country, 1.0)) for p in PLACES)
        self._devices = {
            country: Weighted(
                (
                    device,
                    device.weight
                    * (market.apple if device.apple else 1.0)
                    * (market.mobile * site.mobile if device.mobile else 1.0),
                )
                for device in DEVICES
            )
            for country, market in _MARKETS.items()
        }
        self._count = 0

    def next(self, rng: Random) -> Visitor:
        self._count += 1
        place = self._places.draw(rng)
        device = self._devices[place.location.country].draw(rng)
        screen = device.screens.draw(rng)
        described = agents.describe(device.agent)
        client = Client(
            # It tells visitors apart and is not stored; the range is the one for documentation.
            ip=f"2001:db8::{self._count:x}",
            agent=device.agent,
            browser=described.browser,
            os=described.os,
            device=agents.device_name(described.os, screen),
            location=place.location,
        )
        return Visitor(self._count, client, place, screen, place.market.languages.draw(rng))
