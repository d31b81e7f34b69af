"""`extensions.work`: what an operation made the stores do, for those who ask with `"extensions": {"work": true}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strawberry.extensions import SchemaExtension

from app.work import WORK, Work


class ShowWork(SchemaExtension):
    """Answers with `statements` to the event store, `scans` of its tables in them, and `accountStatements`."""

    _work: Work | None = None

    def on_execute(self) -> Iterator[None]:
        if (self.execution_context.operation_extensions or {}).get("work") is not True:
            yield
            return
        self._work = Work()
        counted = WORK.set(self._work)
        try:
            yield
        finally:
            WORK.reset(counted)

    def get_results(self) -> dict[str, Any]:
        if self._work is None:
            return {}
        work = self._work
        counts = {
            "statements": work.statements,
            "scans": work.scans,
            "accountStatements": work.account_statements,
        }
        return {"work": counts}
