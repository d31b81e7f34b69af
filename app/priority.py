"""Whose turn it is where there are fewer processors than threads that want one."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Final

# Linux gives a thread of this niceness a tenth of the time of one that has none, and all that nobody else wants.
_NICENESS: Final = 10
_MOST: Final = 19


def step_back() -> None:
    """Let this thread, and those it starts from now on, run when nobody who collects wants to.

    There is no way back for a thread, so it is for threads that are made for it. Elsewhere than on Linux niceness belongs
    to the whole process, and nothing is done.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(
            PermissionError
        ):  # a sandbox that forbids it: what asks is as urgent as what collects then
            mine = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(_MOST, mine + _NICENESS))
