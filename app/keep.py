"""The third value of a change, beside a new one and None."""

from __future__ import annotations

from typing import Final


class Keep:
    """Stands for "leave this field as it is", where None means "clear it"."""


KEEP: Final = Keep()
