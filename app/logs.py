"""What is logged, and how: one line for each record, of text for people or of JSON for programs, on standard error.

Nothing personal is in it. Messages of errors are left out: those of database drivers repeat the values of a statement
(`Key (username)=(ada) already exists`, `Could not convert string 'ada'`), which are visitors' data or secrets. What is
shown of an error is its kind, where it happened, and a reason where that comes from the system and cannot hold any.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from app.current import CURRENT
from app.settings import Settings

# Reasons that name files, sizes or servers, never a value: of the system, of a full disk or memory, of a connection.
_TELLING: Final = {("_duckdb", "IOException"), ("_duckdb", "OutOfMemoryException")}
_NO_CONNECTION: Final = ("08", "53", "57")  # classes of PostgreSQL's SQLSTATE
# An exception that is its own cause's cause would be followed for ever.
_MOST_CAUSES: Final = 10


def configure(settings: Settings) -> None:
    """Have all that is logged in this process, by others too, written as the settings say."""
    handler = logging.StreamHandler()
    as_text = settings.log_format == "text" or (not settings.log_format and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # Others tell addresses and paths below their warnings.
    logging.getLogger("dashi").setLevel(settings.log_level.upper())
    logging.getLogger("app").setLevel(settings.log_level.upper())
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    logging.captureWarnings(True)
    # Whoever leaves a socket amid a question cancels it, and what was asked of some of its fields has not begun then.
    warnings.filterwarnings("ignore", r"coroutine '.*' was never awaited", RuntimeWarning)


class TextFormatter(logging.Formatter):
    """`2026-11-26 08:48:11.123 INFO dashi.request [3f0c-00002a] POST /graphql …`, and an error's story below it."""

    def format(self, record: logging.LogRecord) -> str:
        current = CURRENT.get()
        asked = f"[{current.id}] " if current else ""
        at = f"{_at(record):%Y-%m-%d %H:%M:%S}.{int(record.msecs):03d}"
        line = f"{at} {record.levelname} {record.name} {asked}{_message(record)}"
        trace = _trace(record)
        return f"{line}\n{trace}" if trace else line


class JsonFormatter(logging.Formatter):
    """One object in a line: `at`, `level`, `logger`, `message`; `request`, `route`, `operation` and `trace` if any."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "at": f"{_at(record):%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if current := CURRENT.get():
            said["request"] = current.id
            said |= {"route": current.route} if current.route else {}
            said |= {"operation": current.operation} if current.operation else {}
        said |= getattr(record, "fields", {})
        if trace := _trace(record):
            said["trace"] = trace
        return json.dumps(said, ensure_ascii=False)


def story(error: BaseException) -> str:
    """An error and what caused it, innermost first, each with where it was raised and without its message."""
    parts = ["Traceback (most recent call last):"]
    for number, step in enumerate(reversed(list(_causes(error)))):
        parts += ["", "which led to:"] if number else []
        parts += [line.rstrip("\n") for line in traceback.format_tb(step.__traceback__)]
        reason = _reason(step)
        parts.append(_kind(step) + (f": {reason}" if reason else ""))
    return "\n".join(parts)


def brief(error: BaseException) -> str:
    """The innermost cause of an error in one line, for what is expected and needs no places in the code."""
    cause = list(_causes(error))[-1]
    reason = _reason(cause)
    return _kind(cause) + (f": {reason}" if reason else "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    step: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if step is None:
            return
        yield step
        step = step.__cause__ or (None if step.__suppress_context__ else step.__context__)


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _reason(error: BaseException) -> str:
    """Why, as far as it can be told without telling what was handled; '' otherwise."""
    if isinstance(error, OSError):
        return error.strerror or ""
    if name := getattr(error, "sqlite_errorname", ""):
        return str(name)
    if (type(error).__module__, type(error).__qualname__) in _TELLING:
        return str(error).partition("\n")[0]
    if not type(error).__module__.startswith("psycopg"):
        return ""
    state: str | None = getattr(error, "sqlstate", None)
    if type(error).__qualname__ == "OperationalError" and state is None:
        return " ".join(str(error).split())  # no connection was made, or it was lost
    return (
        f"{state} {str(error).partition(chr(10))[0]}"
        if state and state.startswith(_NO_CONNECTION)
        else state or ""
    )


def _message(record: logging.LogRecord) -> str:
    """In one line. What asyncio says after its first one shows objects, and errors with their messages."""
    message = record.getMessage()
    if record.name == "asyncio":
        message = message.partition("\n")[0]
    return message if "\n" not in message else message.replace("\n", "\n    ")


def _trace(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return story(error) if error else ""


def _at(record: logging.LogRecord) -> dt.datetime:
    return dt.datetime.fromtimestamp(record.created, dt.UTC)


def _uncaught(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, where)
        return
    logging.getLogger("dashi").critical("ended by an error", exc_info=(kind, error, where))


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
        name = given.thread.name if given.thread else "unknown"
        logging.getLogger("dashi").critical("the thread %s ended by an error", name, exc_info=given.exc_value)


def _unraisable(given: sys.UnraisableHookArgs) -> None:
    if given.exc_value is not None and not _never_begun(given.object):
        # What it happened in is named by its kind: the object itself may show what it handles.
        source = getattr(given.object, "__qualname__", type(given.object).__qualname__)
        logging.getLogger("dashi").error(
            "an error that nobody could handle, in %s", source, exc_info=given.exc_value
        )


def _never_begun(one: object) -> bool:
    """Whether it is a coroutine that nobody awaited. None of its own code has run, so what was raised is CPython's own:
    it imports `warnings` to tell of it, for which there is no `__import__` where it is cleared away while a named tuple
    is being made (https://github.com/python/cpython/blob/v3.11.7/Lib/collections/__init__.py#L423: no builtins).
    """
    return inspect.iscoroutine(one) and inspect.getcoroutinestate(one) == inspect.CORO_CREATED
