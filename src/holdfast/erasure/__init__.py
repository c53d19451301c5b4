"""Erasure: a row's values go from the table and from all of its history; that it was changed stays."""

from __future__ import annotations

from holdfast.erasure.erasing import erase, erase_row, erasures
from holdfast.erasure.results import Erased, Erasing

__all__ = ["Erased", "Erasing", "erase", "erase_row", "erasures"]
