"""Purge: rows that were marked as deleted long ago are really deleted, their dead children before them.

A row goes only when nothing refers to it any more: a row that a living one refers to is left and reported. What goes is
recorded in the journal like any delete, so it can be undone for as long as the journal keeps it.
"""

from holdfast.purging.results import Left, Purged
from holdfast.purging.running import Progress, purge

__all__ = ["Left", "Progress", "Purged", "purge"]
