"""Every run-time setting, read from the environment once. The only reader of the environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from app.addresses import Networks, entries
from app.proxies import PRIVATE, listed

# An origin with wildcards, as `https://*.example.com:8443`, or `'self'`.
_SOURCE = re.compile(r"'self'|(?:[a-z][a-z0-9+.-]*://)?[A-Za-z0-9.*\[\]:_-]+(?:/[A-Za-z0-9._~/-]*)?")
_OFF = {"", "0", "false", "no", "off"}

# Umami's switches are on when set to any text; the usual words for "off" are honoured as well.
Switch = Annotated[bool, BeforeValidator(lambda value: str(value).strip().lower() not in _OFF)]


class Settings(BaseSettings):
    """Umami's variable names wherever they mean the same. Made once, never changed."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=False, env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="Address the server listens on.")
    port: int = Field(3000, ge=0, le=65535, description="Port the server listens on.")
    base_path: str = Field("", description="Prefix of every path, e.g. `/stats`.")
    workers: int = Field(1, ge=1, le=64, description="Server processes. DuckDB allows one only.")
    data_dir: Path = Field(Path("data"), description="Where embedded files, the journal and the secret live.")
    database_url: str = Field("", description="Accounts. Empty: SQLite in DATA_DIR. Else `postgresql://…`.")
    events_url: str = Field(
        "", description="Events. Empty: PostgreSQL if DATABASE_URL is, else DuckDB in DATA_DIR."
    )
    app_secret: SecretStr | None = Field(
        None, description="Signs tokens and ids. Empty: generated into DATA_DIR."
    )
    admin_password: SecretStr | None = Field(
        None, description="Password of the first admin. Empty: random, printed once."
    )

    trusted_proxies: str = Field(
        PRIVATE,
        description="Whose forwarding headers are believed: addresses and CIDR ranges, comma-separated.",
    )
    client_ip_header: str = Field("", description="The header to take the visitor's address from first.")
    ignore_ip: str = Field(
        "", description="Addresses and CIDR ranges whose events are refused, comma-separated."
    )
    collect_rate_per_address: int = Field(
        0, ge=0, description="Hits a second that one client address may send. 0: any."
    )
    collect_rate_per_website: int = Field(
        0, ge=0, description="Hits a second that are taken for one website. 0: any."
    )
    skip_location_headers: Switch = Field(False, description="Do not trust CDN location headers.")
    geolite_db_path: Path | None = Field(None, description="GeoLite2-City or compatible MMDB file.")
    disable_bot_check: Switch = Field(False, description="Count bots too.")
    remove_trailing_slash: Switch = Field(False, description="Store `/a/` as `/a`.")

    collect_api_endpoint: str = Field("", description="Another path for `/api/send`, e.g. `/api/pulse`.")
    tracker_script_name: str = Field("", description="Further names of `/script.js`, comma-separated.")
    cors_max_age: int = Field(86400, ge=0, description="Seconds a browser may keep a preflight answer.")
    force_ssl: Switch = Field(False, description="Send Strict-Transport-Security.")
    allowed_frame_urls: str = Field(
        "", description="Sites that may show GraphiQL in a frame, separated by spaces."
    )

    login_tries: int = Field(
        10,
        ge=1,
        description="Wrong passwords for one account from one address before they have to wait for each other.",
    )
    login_tries_per_address: int = Field(
        100, ge=1, description="Wrong passwords an hour from one address, for all accounts."
    )
    login_tries_per_account: int = Field(
        100,
        ge=1,
        description="Wrong passwords an hour for one account, from all addresses that never logged in to it.",
    )

    journal_max_bytes: int = Field(
        1 << 30, ge=1 << 20, description="Bytes of unapplied events kept before collecting answers 503."
    )
    max_body_bytes: int = Field(1 << 20, ge=1 << 10, description="Largest accepted request body.")
    read_threads: int = Field(4, ge=1, le=64, description="Questions answered at the same time.")
    statement_timeout: float = Field(
        30.0, gt=0, le=3600, description="Seconds that a question to the event store may take."
    )
    clickhouse_cluster: str = Field(
        "",
        description="ClickHouse: the cluster whose shards hold the events, as `remote_servers` names it. Empty: one server.",
    )
    duckdb_memory_limit: str = Field(
        "",
        description="DuckDB's memory, e.g. `1GB`. Empty: half the machine's or cgroup's, at most `384MiB`.",
    )
    duckdb_threads: int = Field(0, ge=0, description="DuckDB's threads. 0: from the cgroup.")

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged: this and what is worse."
    )
    log_format: Literal["", "text", "json"] = Field(
        "", description="Lines of text or of JSON. Empty: text at a terminal, else JSON."
    )
    metrics: Switch = Field(True, description="Serve `/metrics`.")
    metrics_token: SecretStr | None = Field(
        None,
        description="Bearer token for `/metrics`. Empty: answered to this machine and private networks only.",
    )

    graphiql: Switch = Field(True, description="Serve GraphiQL at `/graphql`.")
    introspection: Switch = Field(True, description="Answer GraphQL introspection.")
    graphql_max_depth: int = Field(15, ge=3, description="Deepest nesting of a GraphQL document.")
    graphql_max_aliases: int = Field(50, ge=1, description="Most aliases in a GraphQL document.")
    graphql_max_tokens: int = Field(2000, ge=100, description="Most tokens in a GraphQL document.")
    graphql_max_variables: int = Field(
        50_000,
        ge=100,
        description="Most values in the variables of a GraphQL operation, nested ones included.",
    )
    graphql_max_cost: int = Field(
        10_000, ge=1, description="Most points that one GraphQL operation may cost."
    )
    graphql_bucket_size: int = Field(
        50_000, ge=1, description="Points that one caller may spend on GraphQL at once."
    )
    graphql_bucket_refill: int = Field(
        1000, ge=1, description="Points that each caller gets back every second."
    )
    graphql_documents: Path | None = Field(
        None,
        description="File or directory of trusted documents. Set: no other GraphQL document runs.",
    )
    graphql_persisted_bytes: int = Field(
        4 << 20, ge=0, description="Memory of a process for automatic persisted queries. 0: switched off."
    )
    subscriptions_per_actor: int = Field(
        100,
        ge=1,
        description="Subscriptions of one user, key or opened share link at a time, in one process.",
    )
    subscription_check_seconds: float = Field(
        20.0, gt=0, description="Seconds within which a subscription ends that is no longer allowed."
    )
    subscriptions_total: int = Field(2000, ge=1, description="Subscriptions at a time, in one process.")

    @field_validator("base_path", "collect_api_endpoint")
    @classmethod
    def _path(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        return value if not value or value.startswith("/") else f"/{value}"

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: str) -> str:
        listed(value)
        return value

    @field_validator("ignore_ip")
    @classmethod
    def _networks(cls, value: str) -> str:
        Networks(entries(value))
        return value

    @field_validator("allowed_frame_urls")
    @classmethod
    def _sources(cls, value: str) -> str:
        """Sources go into a header: what would end the directive, or the header, is refused."""
        sources = value.split()
        for source in sources:
            if not _SOURCE.fullmatch(source):
                raise ValueError(f"{source[:100]!r} is no source of a Content-Security-Policy")
        return " ".join(sources)

    @field_validator("database_url", "events_url")
    @classmethod
    def _driver(cls, value: str) -> str:
        """Umami's own form of a PostgreSQL URL is accepted: without a driver, with Prisma's `schema` parameter.

        Raises ValueError, which does not repeat it, for what is no URL: there may be a password in it.
        """
        scheme, separator, rest = value.partition("://")
        if scheme in ("postgres", "postgresql"):
            address, question, query = rest.partition("?")
            kept = "&".join(part for part in query.split("&") if part and not part.startswith("schema="))
            value = f"postgresql+psycopg{separator}{address}{question if kept else ''}{kept}"
        elif scheme == "clickhouse":
            value = f"clickhousedb{separator}{rest}"
        try:
            if value:
                make_url(value)
        except ArgumentError:
            raise ValueError("is no URL of a database, as postgresql://user:password@host/database") from None
        return value

    @property
    def accounts_url(self) -> str:
        """Where accounts are kept, never empty."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'accounts.sqlite'}"

    @property
    def event_store_url(self) -> str:
        """Where events are kept, never empty."""
        if self.events_url:
            return self.events_url
        if self.database_url.startswith("postgresql"):
            return self.database_url
        return f"duckdb:///{self.data_dir.resolve() / 'events.duckdb'}"

    @property
    def tracker_names(self) -> list[str]:
        """Paths the tracker script is served at, without a leading slash."""
        more = [name.strip().lstrip("/") for name in self.tracker_script_name.split(",")]
        names = ["script.js", *(name if "." in name else f"{name}.js" for name in more if name)]
        return list(dict.fromkeys(names))
