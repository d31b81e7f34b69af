"""How a command reaches the server that holds the embedded files: a Unix socket in DATA_DIR, of the server's user alone.

One JSON object in a line is asked, one is answered. Who may connect may read the files themselves, so that nothing more
is asked of them.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.duckdb_store import DuckDBStore
from app.errors import AppError, Invalid, Unavailable

log = logging.getLogger("dashi.control")

_NAME: Final = "control.sock"
# Bytes of a socket's path that every system takes.
_LONGEST_PATH: Final = 100
_MOST_BYTES: Final = 1 << 16
# Seconds after which the other side is looked at again.
_LOOK: Final = 0.2
# Seconds within which a line is to come once there is a connection.
_PATIENCE: Final = 5.0


class Control:
    """The server's side: one thread that does what it is asked, one thing at a time."""

    def __init__(self, directory: Path, events: DuckDBStore) -> None:
        self._file = directory / _NAME
        self._events = events
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        try:
            self._socket = _listening(directory)
        except OSError as error:  # some mounts know no sockets; events are collected all the same
            log.warning("no socket in DATA_DIR: `dashi backup` needs the server stopped", exc_info=error)
            return
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; what is under way is given up."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._socket.close()
            self._file.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    self._answer(connection)
                except OSError as error:
                    log.warning("whoever asked over the socket in DATA_DIR is gone", exc_info=error)
                except Exception:
                    log.exception("what was asked over the socket in DATA_DIR failed")

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        try:
            asked = _read_line(connection)
            if asked is None:
                return  # it was only looked whether somebody listens
            if not isinstance(asked, dict) or not isinstance(asked.get("copyEventsTo"), str):
                raise Invalid("What is asked must be copyEventsTo with a path")
            self._events.copy_to(Path(asked["copyEventsTo"]), lambda: self._wanted(connection))
            answer: dict[str, object] = {"ok": True}
        except AppError as error:
            answer = {"ok": False, "error": error.message}
        connection.settimeout(_PATIENCE)
        connection.sendall(json.dumps(answer).encode() + b"\n")

    def _wanted(self, connection: socket.socket) -> bool:
        """Whether the server goes on and the one who asked still waits."""
        if self._stopping.is_set():
            return False
        connection.setblocking(False)
        try:
            return bool(connection.recv(1))
        except BlockingIOError:  # there, and silent
            return True
        except OSError:
            return False


def ask(directory: Path, asked: dict[str, str], waiting: Callable[[], None]) -> bool:
    """Have the server of this DATA_DIR do something. False if there is none that listens.

    `waiting` is called again and again until it is done. Raises Unavailable when it could not be done.
    """
    with _connected(directory) as connection:
        if connection is None:
            return False
        connection.sendall(json.dumps(asked).encode() + b"\n")
        connection.settimeout(_LOOK)
        answer = _read_line(connection, waiting)
    if not isinstance(answer, dict):
        raise Unavailable("The server ended before it was done")
    if not answer.get("ok"):
        raise Unavailable(str(answer.get("error")))
    return True


def listens(directory: Path) -> bool:
    """Whether a server of this DATA_DIR can be asked."""
    with _connected(directory) as connection:
        return connection is not None


@contextmanager
def _connected(directory: Path) -> Iterator[socket.socket | None]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _short(directory) as path:
        try:
            connection.connect(path)
        except OSError:  # nobody listens: there is no socket, or it was left by a server that was killed
            yield None
        else:
            yield connection


def _listening(directory: Path) -> socket.socket:
    # One that is there was left by a server that was killed: this one holds the files.
    (directory / _NAME).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The file has this mode from its first moment on.
        os.fchmod(listening.fileno(), 0o600)
        with _short(directory) as path:
            listening.bind(path)
        os.chmod(directory / _NAME, 0o600)
        listening.listen(4)
        listening.settimeout(_LOOK)
    except BaseException:
        listening.close()
        raise
    return listening


@contextmanager
def _short(directory: Path) -> Iterator[str]:
    """A path of the socket that is short enough: systems take about 100 bytes."""
    path = str(directory / _NAME)
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    opened = os.open(directory, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{opened}/{_NAME}"
    finally:
        os.close(opened)


def _read_line(connection: socket.socket, waiting: Callable[[], None] | None = None) -> object:
    """What a line of JSON says, '' if it is none; None if the other side hangs up before."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            part = connection.recv(4096)
        except TimeoutError:
            if waiting is None:
                raise
            waiting()
            continue
        line += part
        if not part:
            return None
        if len(line) > _MOST_BYTES:
            return ""
    try:
        return json.loads(line) or ""
    except ValueError:
        return ""
