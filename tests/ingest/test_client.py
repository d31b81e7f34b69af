"""The place of an address."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import maxminddb
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from app.ingest import client
from app.ingest.client import Location, Locator

LONDON = Location("GB", "GB-ENG", "London")


@pytest.fixture(scope="module")
def city_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the shape of GeoLite2-City, for IPv4 and IPv6."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="GeoLite2-City", languages=["en"])
    london = {
        "country": {"iso_code": "GB"},
        "registered_country": {"iso_code": "US"},
        "subdivisions": [{"iso_code": "ENG"}, {"iso_code": "WBK"}],
        "city": {"names": {"de": "Stadt London", "en": "London"}},
    }
    writer.insert_network(IPSet(["81.2.69.0/24", "2a02:ff00::/32"]), london)
    writer.insert_network(IPSet(["82.0.0.0/24"]), {"registered_country": {"iso_code": "FR"}})
    writer.insert_network(
        IPSet(["83.0.0.0/24"]), {"country": {"iso_code": "FR"}, "subdivisions": [{"iso_code": "FR-75"}]}
    )
    writer.insert_network(
        IPSet(["84.0.0.0/24"]), {"subdivisions": [{"iso_code": "ENG"}], "city": {"names": {"en": "X"}}}
    )
    writer.insert_network(
        IPSet(["85.0.0.0/24"]), {"country": "GB", "subdivisions": [], "city": {"names": ["en"]}}
    )
    path = tmp_path_factory.mktemp("mmdb") / "city.mmdb"
    writer.to_db_file(str(path))
    return path


@pytest.fixture
def locator(city_file: Path) -> Iterator[Locator]:
    locator = Locator(city_file)
    yield locator
    locator.close()


@pytest.mark.parametrize(
    ("ip", "location"),
    [
        ("81.2.69.142", LONDON),
        ("81.2.69.142:5000", LONDON),
        ("::ffff:81.2.69.142", LONDON),
        ("2a02:ff00::1", LONDON),
        ("[2a02:ff00::1]:5000", LONDON),
        ("82.0.0.1", Location("FR")),
        ("83.0.0.1", Location("FR", "FR-75")),
        ("84.0.0.1", Location("", "", "X")),
        ("85.0.0.1", Location()),
        ("8.8.8.8", Location()),  # not in the file: the file is believed
        ("2a03::1", Location()),
        ("unknown", Location()),
        ("", Location()),
        ("8" * 1000, Location()),
    ],
)
def test_place_from_the_file(locator: Locator, ip: str, location: Location) -> None:
    assert locator.locate(ip, {}, believed=True) == location


def test_ipv6_in_a_file_for_ipv4(tmp_path: Path) -> None:
    writer = MMDBWriter(ip_version=4)
    writer.insert_network(IPSet(["81.2.69.0/24"]), {"country": {"iso_code": "GB"}})
    writer.to_db_file(str(tmp_path / "country.mmdb"))
    locator = Locator(tmp_path / "country.mmdb")
    assert locator.locate("81.2.69.142", {}, believed=True) == Location("GB")
    assert locator.locate("2a02:ff00::1", {}, believed=True) == Location()
    locator.close()


def test_closed_locator_knows_headers_only(city_file: Path) -> None:
    locator = Locator(city_file)
    locator.close()
    assert locator.locate("81.2.69.142", {}, believed=True) == Location()
    assert locator.locate("81.2.69.142", {"cf-ipcountry": "GB"}, believed=True) == Location("GB")


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "0.0.0.0",
        "127.0.0.1:5000",
        "::1",
        "::",
        "fd12::1",
        "fe80::1%eth0",
        "[::1]:5000",
        "::ffff:192.168.1.1",
    ],
)
def test_local_addresses_have_no_place(locator: Locator, ip: str) -> None:
    assert locator.locate(ip, {"cf-ipcountry": "US", "cf-ipcity": "Boston"}, believed=True) == Location()


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the machine's interfaces tell that an address is local: 127.0.0.1 stands for a public one of ours."""
    monkeypatch.setattr(client, "_LOCAL_NETWORKS", ())
    client._resolve.cache_clear()
    client._binds_anything.cache_clear()
    yield
    client._resolve.cache_clear()
    client._binds_anything.cache_clear()


@pytest.mark.usefixtures("no_networks")
def test_addresses_of_this_machine_have_no_place(locator: Locator) -> None:
    assert locator.locate("127.0.0.1", {"cf-ipcountry": "US"}, believed=True) == Location()
    assert locator.locate("81.2.69.142", {"cf-ipcountry": "US"}, believed=True) == Location("US")


@pytest.mark.usefixtures("no_networks")
def test_own_addresses_are_not_guessed_where_the_kernel_binds_any(
    locator: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_can_bind", lambda address: True)
    assert locator.locate("81.2.69.142", {"cf-ipcountry": "US"}, believed=True) == Location("US")


@pytest.mark.parametrize(
    ("headers", "location"),
    [
        (
            {"cf-ipcountry": "US", "cf-region-code": "CA", "cf-ipcity": "San Jose"},
            Location("US", "US-CA", "San Jose"),
        ),
        ({"cf-ipcountry": "US", "x-vercel-ip-country": "DE"}, Location("US")),
        (
            {
                "x-vercel-ip-country": "BR",
                "x-vercel-ip-country-region": "BR-SP",
                "x-vercel-ip-city": "S%C3%A3o%20Paulo",
            },
            Location("BR", "BR-SP", "São Paulo"),
        ),
        ({"cf-ipcountry": "", "x-vercel-ip-country": "DE", "cf-ipcity": "Bonn"}, Location("DE")),
        (
            {"cf-ipcountry": "CH", "cf-ipcity": "Zürich".encode().decode("latin-1")},
            Location("CH", "", "Zürich"),
        ),
        ({"cf-ipcountry": "CH", "cf-ipcity": "Z\xfcrich"}, Location("CH", "", "Zürich")),  # was not UTF-8
        ({"cf-ipcountry": "CH", "cf-ipcity": "Z%FCrich"}, Location("CH", "", "Z%FCrich")),
        ({"cf-ipcountry": "CH", "cf-ipcity": "100% %C3%BC"}, Location("CH", "", "100% %C3%BC")),
        ({"cf-ipcountry": "CH", "cf-ipcity": "Tōkyō"}, Location("CH", "", "Tōkyō")),
        ({"cf-ipcountry": "CH", "cf-ipcity": "A%00B"}, Location("CH", "", "AB")),
        ({"cf-ipcountry": "T1"}, Location("T1")),
        ({"cf-ipcountry": "Switzerland"}, LONDON),  # no code, so the file answers
        ({"cf-region-code": "CA", "cf-ipcity": "San Jose"}, LONDON),
        ({"cloudfront-viewer-country": "US"}, LONDON),
    ],
)
def test_place_from_headers(locator: Locator, headers: dict[str, str], location: Location) -> None:
    assert locator.locate("81.2.69.142", headers, believed=True) == location


def test_headers_do_not_describe_a_given_address(locator: Locator) -> None:
    assert locator.locate("81.2.69.142", {"cf-ipcountry": "US"}, believed=False) == LONDON


def test_headers_can_be_switched_off(city_file: Path) -> None:
    locator = Locator(city_file, skip_headers=True)
    assert locator.locate("81.2.69.142", {"cf-ipcountry": "US"}, believed=True) == LONDON
    locator.close()


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("8.8.8.8", "US"),
        ("8.8.8.8:53", "US"),
        ("::ffff:8.8.8.8", "US"),
        ("2001:4860:4860::8888", "US"),
        ("81.2.69.142", "GB"),
        ("203.0.113.5", ""),
        ("unknown", ""),
    ],
)
def test_country_without_a_file(ip: str, country: str) -> None:
    assert Locator(None).locate(ip, {}, believed=True) == Location(country)


def test_missing_file_is_told_and_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        locator = Locator(tmp_path / "none.mmdb")
    assert [record.getMessage() for record in caplog.records] == [
        f"No file at GEOLITE_DB_PATH ({tmp_path / 'none.mmdb'}): countries come from the offline table."
    ]
    assert locator.locate("8.8.8.8", {}, believed=True) == Location("US")
    locator.close()


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "not.mmdb"
    path.write_text("hello")
    with pytest.raises(maxminddb.InvalidDatabaseError):
        Locator(path)
