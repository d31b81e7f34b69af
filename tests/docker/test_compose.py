"""The compositions, as far as they can be looked at without Docker, and ClickHouse's configuration as its engine reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from sqlalchemy.engine import make_url

from app.settings import Settings

ROOT = Path(__file__).parent.parent.parent
DOCKER = ROOT / "docker"
COMPOSITIONS = sorted(DOCKER.glob("compose*.yaml"))
WITH_SECRETS = {"APP_SECRET", "ADMIN_PASSWORD", "POSTGRES_PASSWORD"}
SECRETS = {
    "compose.yaml": set(),
    "compose.postgres.yaml": WITH_SECRETS,
    "compose.clickhouse.yaml": WITH_SECRETS | {"CLICKHOUSE_PASSWORD", "CLICKHOUSE_SECRET"},
}
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?:(:[-?])([^}]*))?\}")


class Missing(Exception):
    """What `docker compose` says, and ends with, for a variable that has to be set."""


def composition(file: Path, given: Mapping[str, str]) -> dict[str, Any]:
    """A composition as Docker reads it with these variables: put in as texts, after YAML is read."""

    def value(match: re.Match[str]) -> str:
        name, how, text = match.groups()
        if found := given.get(name):
            return found
        if how == ":?":
            raise Missing(text)
        return text or ""

    def filled(node: Any) -> Any:
        match node:
            case str():
                return _VARIABLE.sub(value, node)
            case list():
                return [filled(item) for item in node]
            case dict():
                return {key: filled(item) for key, item in node.items()}
            case _:
                return node

    read: dict[str, Any] = filled(yaml.safe_load(file.read_text()))
    return read


def configured(name: str) -> ElementTree.ElementTree[ElementTree.Element]:
    return ElementTree.parse(DOCKER / "clickhouse" / name)  # noqa: S314 - it is our own


def set_to_something(file: Path) -> dict[str, str]:
    return {name: f"{name.lower()}1" for name in SECRETS[file.name]}


@pytest.mark.parametrize("file", COMPOSITIONS, ids=lambda file: file.name)
def test_a_secret_that_is_missing_is_named(file: Path) -> None:
    given = set_to_something(file)
    composition(file, given)
    for name in given:
        with pytest.raises(Missing, match=f"^set {name}, "):
            composition(file, given | {name: ""})
    text = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
    assert {found[0] for found in _VARIABLE.findall(text)} == (set(given) or {"APP_SECRET", "ADMIN_PASSWORD"})


@pytest.mark.parametrize("file", COMPOSITIONS, ids=lambda file: file.name)
def test_what_a_composition_names_is_there(file: Path) -> None:
    read = composition(file, set_to_something(file))
    services, volumes = read["services"], read["volumes"]
    mounted = []
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= services.keys()
        for awaited in service.get("depends_on", {}):
            assert "healthcheck" in services[awaited] or services[awaited]["image"] == "dashi"
        for volume in service.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (DOCKER / source).is_file()
                assert rest.endswith(":ro")
            else:
                mounted.append(source)
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
    # Each is somebody's, and nobody else's: two Dashi with one journal would be one too many.
    assert sorted(mounted) == sorted(volumes)


def test_each_dashi_enters_the_cluster_by_another_server() -> None:
    file = DOCKER / "compose.clickhouse.yaml"
    services = composition(file, set_to_something(file))["services"]
    entered = []
    for name in ("dashi-1", "dashi-2"):
        given = services[name]["environment"]
        settings = Settings(**{key.lower(): text for key, text in given.items()})
        url = make_url(settings.event_store_url)
        assert (url.get_backend_name(), url.username, url.password, url.port) == (
            "clickhousedb",
            "dashi",
            "clickhouse_password1",
            8123,
        )
        assert settings.clickhouse_cluster == "dashi"
        assert make_url(settings.accounts_url).host == "postgres"
        entered.append(url.host)
    # Of different shards, the first replicas, which have what is newest.
    assert entered == ["clickhouse-1-1", "clickhouse-2-1"]


def test_the_servers_are_those_that_they_know_of() -> None:
    file = DOCKER / "compose.clickhouse.yaml"
    services = composition(file, set_to_something(file))["services"]
    there = {
        name: (service["environment"]["SHARD"], service["environment"]["REPLICA"], service["hostname"])
        for name, service in services.items()
        if name.startswith("clickhouse-")
    }
    config = configured("config.xml")
    known = {
        replica.findtext("host", ""): (str(shard_number), str(number), replica.findtext("host", ""))
        for shard_number, shard in enumerate(config.findall("remote_servers/dashi/shard"), 1)
        for number, replica in enumerate(shard.findall("replica"), 1)
    }
    assert there == known
    assert len(known) == 4
    assert [node.text for node in config.findall("zookeeper/node/host")] == ["keeper"]
    keeper = configured("keeper.xml")
    assert services["keeper"]["hostname"] == keeper.findtext(
        "keeper_server/raft_configuration/server/hostname"
    )
    assert config.findtext("zookeeper/node/port") == keeper.findtext("keeper_server/tcp_port")


def test_there_is_no_user_without_a_password() -> None:
    users = configured("users.xml").find("users")
    assert users is not None
    given = {user.tag: [password.attrib for password in user.findall("password")] for user in users}
    assert given == {"dashi": [{"from_env": "CLICKHOUSE_PASSWORD"}]}
    known = configured("config.xml")
    secret = {"from_env": "CLICKHOUSE_SECRET"}
    for place in ("remote_servers/dashi/secret", "interserver_http_credentials/password"):
        assert [found.attrib for found in known.findall(place)] == [secret]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Any]]]:
    """What ClickHouse's engine says of itself when it has read docker/clickhouse/config.xml and made all tables."""
    command = [sys.executable, "-m", "tests.docker.cluster", str(tmp_path_factory.mktemp("cluster"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[list[Any]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_clickhouse_reads_its_configuration(engine: dict[str, list[list[Any]]]) -> None:
    assert engine["clusters"] == [
        [shard, 1, replica, f"127.0.{shard}.{replica}", 9000] for shard in (1, 2) for replica in (1, 2)
    ]
    assert dict(engine["macros"]) == {"shard": "2", "replica": "1"}
    assert (
        dict(engine["settings"]).items()
        >= {
            "max_server_memory_usage": str(1 << 30),
            "mark_cache_size": str(64 << 20),
            "index_mark_cache_size": str(8 << 20),
            "compiled_expression_cache_size": str(16 << 20),
            "uncompressed_cache_size": "0",
            "index_uncompressed_cache_size": "0",
            "query_cache.max_size_in_bytes": "0",
            "background_pool_size": "4",
            "background_fetches_pool_size": "2",
            "background_common_pool_size": "2",
            "background_schedule_pool_size": "16",
            "distributed_ddl.path": "/clickhouse/task_queue/ddl",
        }.items()
    )
    free = "number_of_free_entries_in_pool_to_"
    assert dict(engine["merging"]) == {
        "merge_max_block_size": "2048",
        f"{free}execute_mutation": "2",
        f"{free}lower_max_size_of_merge": "2",
        f"{free}execute_optimize_entire_partition": "2",
    }


def test_the_tables_of_a_cluster(engine: dict[str, list[list[Any]]]) -> None:
    stored = ("event", "event_data", "session_data", "revenue", "visit_part", "applied_batch")
    kind = {"visit_part": "Aggregating", "applied_batch": "Replacing"}
    assert dict(engine["tables"]) == {
        **{f"{name}_local": f"Replicated{kind.get(name, '')}MergeTree" for name in stored},
        **dict.fromkeys(stored, "Distributed"),
        "fold_local": "MaterializedView",
        **{f"try_{name}": "Null" for name in ("event", "event_data", "session_data", "revenue")},
        "alembic_version_events": "MergeTree",
    }
    # With the macros of this server put in.
    assert sorted(engine["replicas"]) == sorted(
        [f"{name}_local", f"/clickhouse/tables/2/dashi/{name}", "1"] for name in stored
    )
    key = {"applied_batch": "0"}
    assert dict(engine["distributed"]) == {
        name: f"Distributed('dashi', 'dashi', '{name}_local', {key.get(name, 'cityHash64(session_id)')})"
        for name in stored
    }
