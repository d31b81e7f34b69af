"""Invented traffic for a first look: three websites with the habits of a shop, a manual and a journal.

Everything is drawn from one seed, so a day, a length and a seed always give the same figures. Rows are made by the code
that collects, from hits as a tracker would send them.
"""

from app.demo.fill import SITES, WEBSITE_IDS, fill

__all__ = ["SITES", "WEBSITE_IDS", "fill"]
