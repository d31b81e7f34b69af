"""What can go wrong, in the words both doors answer with: every error carries its own code and status."""

from __future__ import annotations


class AppError(Exception):
    """An expected failure. `message` is shown to the asker, so it never holds anything internal."""

    code = "error"
    status = 500

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message or self.default)
        self.message = message or self.default
        self.field = field

    default = "Something went wrong"


class Invalid(AppError):
    """The request makes no sense; `field` names the part at fault where there is one."""

    code, status, default = "invalid", 400, "Bad request"


class Malformed(Invalid):
    """The request does not fit its schema.

    `problems` holds one (top-level field, message) for each field at fault, in schema order; it is empty when the
    body is no JSON object at all (Umami v2 REST behaviour §1.2).
    """

    code = "malformed"

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        first = problems[0] if problems else None
        text = "; ".join(f"{name}: {problem or 'Invalid'}" for name, problem in problems)
        super().__init__(text or "A JSON object is expected", field=first[0] if first else None)
        self.problems = problems


class Unauthenticated(AppError):
    code, status, default = "unauthenticated", 401, "Log in first"


class Denied(AppError):
    code, status, default = "denied", 403, "You may not do this"


class NotFound(AppError):
    """There is no such thing."""

    code, status, default = "not-found", 404, "Not found"


class Hidden(NotFound):
    """There is no such thing, or there is and the actor may not know: both are answered alike."""


class Conflict(AppError):
    code, status, default = "conflict", 409, "Already exists"


class TooMany(AppError):
    """Dashi does not do it now because of how much was asked; `retry_after` is in seconds, None if time does not help."""

    code, status, default = "too-many", 429, "Too many requests"

    def __init__(
        self, message: str = "", *, field: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


class Unavailable(AppError):
    """Dashi cannot do it now; `retry_after` is in seconds."""

    code, status, default = "unavailable", 503, "Not available at the moment"
    retry_after = 5
