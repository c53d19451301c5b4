"""Evidence: what was sealed can no longer be edited, removed, inserted or reordered without a trace."""

from __future__ import annotations

from holdfast.evidence.acknowledging import acknowledge
from holdfast.evidence.digests import read_digests
from holdfast.evidence.keeping import after_erasing, before_erasing, keep_removed, seal_lock
from holdfast.evidence.results import Acknowledged, Digest, Finding, Recorded, Verification
from holdfast.evidence.sealing import Sealer, seal
from holdfast.evidence.verifying import verify

__all__ = [
    "Acknowledged",
    "Digest",
    "Finding",
    "Recorded",
    "Sealer",
    "Verification",
    "acknowledge",
    "after_erasing",
    "before_erasing",
    "keep_removed",
    "read_digests",
    "seal",
    "seal_lock",
    "verify",
]
