"""A process under everyday load takes no more and no more of anything, and loses nothing. `make soak` runs for an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak.run import problems, soak
from tests.soak.watching import slope

SECONDS = 24.0


@pytest.mark.timeout(180)
def test_a_while_of_everything(store: str, address: Callable[[Path], str], tmp_path: Path) -> None:
    if store == "clickhouse":
        pytest.skip("the memory of its engine, which is elsewhere in earnest, is that of the process here")
    outcome = soak(tmp_path, address(tmp_path / "data"), SECONDS)
    assert problems(outcome) == []
    assert len(outcome.judged) > 10


def test_the_fitted_line_passes_over_outliers() -> None:
    rising = [(float(at), 100.0 + 3 * at) for at in range(30)]
    rising[7], rising[21] = (7.0, 9000.0), (21.0, -5.0)
    assert slope(rising) == pytest.approx(3.0)
    flat = [(float(at), 50.0 + (at % 2)) for at in range(30)]
    assert abs(slope(flat)) < 0.05
