"""The second opinion: statements run on a scratch database, and the server says what it locked, rewrote and read."""

from __future__ import annotations

from holdfast.lint.tracing.effects import EFFECTS, traced_rules
from holdfast.lint.tracing.running import Tracer
from holdfast.lint.tracing.scratch import Scratch, scratch

__all__ = ["EFFECTS", "Scratch", "Tracer", "scratch", "traced_rules"]
