"""What an operation makes the stores do, counted where somebody wants to know: reading has a price that can be seen."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import Select

from app.tables import DATA_TABLES


@dataclass(slots=True)
class Work:
    """The statements that one operation sent to the stores."""

    questions: list[sa.Executable] = field(default_factory=list)
    account_statements: int = 0

    @property
    def statements(self) -> int:
        """Statements to the event store."""
        return len(self.questions)

    @property
    def scans(self) -> int:
        """How often these read a table of events: what several parts of a statement share is read once."""
        return sum(_scans(statement) for statement in self.questions)


# None where nobody counts. Whoever hands work to a thread hands this on with its context.
WORK: Final[ContextVar[Work | None]] = ContextVar("work", default=None)


def _scans(statement: Any) -> int:
    selects = {id(part): part for part in visitors.iterate(statement) if isinstance(part, Select)}
    return sum(len(set(select.get_children()) & set(DATA_TABLES)) for select in selects.values())
