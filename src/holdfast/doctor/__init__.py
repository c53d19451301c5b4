"""What is wrong with a database, and how to mend it."""

from holdfast.doctor.examining import check_roles, doctor
from holdfast.doctor.finding import Finding, Severity

__all__ = ["Finding", "Severity", "check_roles", "doctor"]
