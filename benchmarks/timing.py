"""How long something takes, beside something else."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from statistics import median
from typing import Any, TypeVar

import httpx

K = TypeVar("K")


async def medians(
    ways: Mapping[K, Callable[[], Awaitable[Any]]], repeats: int, seconds: float
) -> dict[K, float]:
    """Median milliseconds of each way: taken by turns, so that what else the machine does meets all alike.

    Once for warming up, then so many times, or as many as fit into the seconds, once at the least.
    """
    taken: dict[K, list[float]] = {way: [] for way in ways}
    for ask in ways.values():
        await ask()
    until = time.perf_counter() + seconds
    for done in range(repeats):
        if done and time.perf_counter() > until:
            break
        for way, ask in ways.items():
            begun = time.perf_counter()
            await ask()
            taken[way].append((time.perf_counter() - begun) * 1000)
    return {way: median(times) for way, times in taken.items()}


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one; a benchmark of refusals would be fast."""
    if answer.status_code != 200 or (answer.url.path == "/graphql" and "errors" in answer.json()):
        raise SystemExit(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:2000]}")
    return answer
