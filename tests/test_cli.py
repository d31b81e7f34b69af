from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.process import environment, serving


def dashi(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_commands(tmp_path: Path) -> None:
    shown = dashi("--help", env=environment(tmp_path)).stdout
    for command in (
        "serve",
        "demo",
        "migrate",
        "user",
        "key",
        "print-schema",
        "check-documents",
        "backup",
        "restore",
        "doctor",
        "move-events",
    ):
        assert command in shown
    assert "http://127.0.0.1:3000" in dashi("serve", "--help", env=environment(tmp_path)).stdout


def test_first_start_prints_a_random_password_once(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    del env["ADMIN_PASSWORD"], env["APP_SECRET"]
    log = tmp_path / "log"
    with serving(env, log) as process:
        [line] = [line for line in log.read_text().splitlines() if "Log in" in line]
        password = line.split("password ")[1].split()[0]
        answer = httpx.post(f"{process.url}/api/auth/login", json={"username": "admin", "password": password})
        assert answer.status_code == 200
        assert answer.json()["user"]["id"] == "41e2b680-648e-4b09-bcd7-3e2b10c06264"
        assert f"{process.url}/graphql" in log.read_text()
        # No default password opens it.
        for guess in ("umami", "admin", ""):
            answer = httpx.post(
                f"{process.url}/api/auth/login", json={"username": "admin", "password": guess}
            )
            assert answer.status_code == 401
    again = tmp_path / "again"
    with serving(env, again):
        assert password not in again.read_text()


def test_password_can_be_set_while_the_server_runs_and_ends_logins(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with serving(env, tmp_path / "log") as process:
        token = process.token()
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{process.url}/api/me", headers=headers).status_code == 200
        done = dashi("user", "password", "admin", env={**env, "NEW_PASSWORD": "another one"})
        assert done.returncode == 0, done.stdout + done.stderr
        assert httpx.get(f"{process.url}/api/me", headers=headers).status_code == 401
        answer = httpx.post(
            f"{process.url}/api/auth/login", json={"username": "admin", "password": "another one"}
        )
        assert answer.status_code == 200


def test_unknown_user_is_one_line(tmp_path: Path) -> None:
    done = dashi("user", "password", "nobody", env=environment(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stdout.strip() == "dashi: there is no user 'nobody'"
    assert done.stderr == ""


def test_keys_are_made_listed_and_revoked_while_the_server_runs(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with serving(env, tmp_path / "log") as process:
        login = {"authorization": f"Bearer {process.token()}"}
        website = httpx.post(
            f"{process.url}/api/websites", json={"name": "n", "domain": "d"}, headers=login
        ).json()["id"]
        hit = {"type": "event", "payload": {"website": website, "url": "/"}}
        made = dashi(
            *("key", "create", "web shop [1]", "--scope", "ingest", "--scope", "read"),
            *("--website", website, "--days", "30"),
            env=env,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        # Nothing but the key is on standard output.
        key = made.stdout.removesuffix("\n")
        assert len(key) == len("dashi_") + 43
        assert key not in made.stderr
        headers = {"x-umami-api-key": key, "user-agent": "curl/8.0"}
        assert httpx.get(f"{process.url}/api/websites", headers=headers).json()["count"] == 1
        assert "sessionId" in httpx.post(f"{process.url}/api/send", json=hit, headers=headers).json()
        listed = dashi("key", "list", env=env)
        [line] = listed.stdout.splitlines()
        key_id, hint = line.split()[:2]
        assert key_id in made.stderr
        assert hint == f"{key[:12]}…"
        assert f"read ingest         {website}  ends " in line
        assert "  used " in line
        assert line.endswith("  web shop [1]")
        assert key not in listed.stdout + listed.stderr
        ended = dashi("key", "revoke", key_id, env=env)
        assert (ended.returncode, " ".join(ended.stdout.split())) == (
            0,
            f"The key {key[:12]}… (web shop [1]) is revoked.",
        )
        assert httpx.get(f"{process.url}/api/websites", headers=headers).status_code == 401
        deadline = time.monotonic() + 20
        while httpx.post(f"{process.url}/api/send", json=hit, headers=headers).status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.25)
        assert dashi("key", "list", env=env).stdout == ""
        again = dashi("key", "revoke", key_id, env=env)
        assert (again.returncode, again.stdout.strip()) == (1, "dashi: API key not found")
    assert key not in (tmp_path / "log").read_text()
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()


def test_keys_that_the_command_refuses(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    assert dashi("migrate", env=env).returncode == 0
    nowhere = "00000000-0000-4000-8000-000000000000"
    for arguments, said in (
        (("create", "k", "--scope", "read", "--user", "[nobody]"), "dashi: there is no user '[nobody]'"),
        (("create", "k", "--scope", "read", "--website", nowhere), "dashi: Website not found"),
        (("revoke", nowhere), "dashi: API key not found"),
    ):
        done = dashi("key", *arguments, env=env)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (1, said, "")
    assert dashi("key", "create", "k", env=env).returncode == 2  # without a scope
    assert dashi("key", "list", env=env).stdout == ""


def test_help_teaches_keys(tmp_path: Path) -> None:
    env = environment(tmp_path)
    shown = " ".join(dashi("key", "--help", env=env).stdout.split())
    for word in ("x-umami-api-key", "Authorization: Bearer", "ingest", "create", "list", "revoke"):
        assert word in shown
    shown = " ".join(dashi("key", "create", "--help", env=env).stdout.split())
    assert 'KEY=$(dashi key create "charts" --scope read --days 90)' in shown
    assert 'curl -H "x-umami-api-key: $KEY"' in shown


def test_settings_that_cannot_work_are_one_line(tmp_path: Path) -> None:
    done = dashi("serve", env=environment(tmp_path / "data", WORKERS="2"))
    assert done.returncode == 1
    assert "DuckDB belongs to one process" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr
    done = dashi("serve", env=environment(tmp_path / "data", PORT="seventy"))
    assert done.returncode == 1
    assert "PORT" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_second_server_on_the_same_files_is_refused_clearly(tmp_path: Path) -> None:
    env = environment(tmp_path / "data")
    with serving(env, tmp_path / "log"):
        second = dashi("serve", env={**env, "PORT": "0"})
    assert second.returncode == 1
    assert "in use by another process" in " ".join(second.stdout.split())
    assert "Traceback" not in second.stdout + second.stderr


def test_termination_drains_and_ends(tmp_path: Path) -> None:
    with serving(environment(tmp_path / "data"), tmp_path / "log") as process:
        started = time.monotonic()
        os.kill(process.popen.pid, signal.SIGTERM)
        assert process.popen.wait(20) in (0, -signal.SIGTERM)
        assert time.monotonic() - started < 10
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_printed_schema_is_the_committed_one(tmp_path: Path) -> None:
    committed = Path(__file__).parent.parent / "graphql_schema" / "schema.graphql"
    assert dashi("print-schema", env=environment(tmp_path)).stdout == committed.read_text()


def test_a_list_of_documents_is_checked_before_a_store_is_opened(tmp_path: Path) -> None:
    documents = tmp_path / "documents.json"
    documents.write_text('{"limits": "{ limits { maxDepth } }", "old": "{ gone }"}')
    env = environment(tmp_path / "data")
    reason = (
        "dashi: GRAPHQL_DOCUMENTS: The document 'old' does not fit this server: Cannot query field 'gone' on type "
        "'Query'. (line 1, column 3)"
    )
    checked = dashi("check-documents", str(documents), env=env)
    assert (checked.returncode, " ".join(checked.stdout.split()), checked.stderr) == (1, reason, "")
    started = dashi("serve", env=env | {"GRAPHQL_DOCUMENTS": str(documents)})
    assert (started.returncode, " ".join(started.stdout.split())) == (1, reason)
    assert not (tmp_path / "data").exists()
    documents.write_text('{"limits": "{ limits { maxDepth } }"}')
    checked = dashi("check-documents", str(documents), env=env)
    assert (checked.returncode, checked.stdout) == (0, "1 documents fit this server.\n")


def test_what_an_idle_server_does_not_need_is_not_imported() -> None:
    # Each of these takes 3 to 40 MiB, in every process, and up to a fifth of a second of the start.
    heavy = {"alembic", "cryptography", "duckdb", "jwt", "numpy", "pandas", "psycopg", "pyarrow", "ua_parser"}
    program = "import sys, app.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(done.stdout.split())
