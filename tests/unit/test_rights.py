"""Permissions as plain data: what is a code, what is a pattern, and what grants what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import DeclarationError
from holdfast.policies import Permit, from_json, to_json
from holdfast.rights import Permission, Permissions, check_pattern, may, narrowed

SEGMENT = st.sampled_from(["a", "b", "order", "x.y", "9-_"])
CODES = st.lists(SEGMENT, min_size=2, max_size=3).map(":".join)
PATTERNS = CODES | st.lists(SEGMENT, max_size=2).map(lambda parts: ":".join((*parts, "*")))
SETS = st.frozensets(PATTERNS, max_size=4)

NO_CODES = [
    "", "*", "order", "order:", ":delete", "order:*", "Order:delete", "order:delete:a:b", "order:delete ",
    "order delete", "order:de*", "order:delete\n", "órder:delete", "order:x' or '1'='1", 'order:"x"', "order:x;drop",
    "a" * 200 + ":b", "order:$1", "order:\\x", "order::total", "-order:x", None, 7,
]  # fmt: skip
NO_PATTERNS = [*(each for each in NO_CODES if each not in ("*", "order:*")), "**", "*:delete", "order:*:total", "!a:b"]


@pytest.mark.parametrize("code", NO_CODES)
def test_what_is_no_permission_is_refused_and_granted_by_nothing(code: str) -> None:
    with pytest.raises(DeclarationError, match="HF486"):
        Permission(code)
    with pytest.raises(DeclarationError, match="HF486"):
        Permissions("order:delete", code)
    assert not may({"*", code}, code)


@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(DeclarationError, match="HF486"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "granted", "not_granted"),
    [
        ("*", ["order:delete", "order:update:total"], []),
        ("order:*", ["order:delete", "order:update:total"], ["orders:delete", "invoice:delete"]),
        ("order:update", ["order:update"], ["order:update:total", "order:updates", "order:delete"]),
        ("order:update:*", ["order:update:total"], ["order:update", "order:delete"]),
        ("order:update:total", ["order:update:total"], ["order:update", "order:update:totals"]),
    ],
)
def test_what_a_pattern_grants(pattern: str, granted: list[str], not_granted: list[str]) -> None:
    assert [code for code in (*granted, *not_granted) if may({pattern}, code)] == granted


@given(SETS, SETS, CODES)
def test_scopes_narrow_and_never_grant(patterns: frozenset[str], scopes: frozenset[str], code: str) -> None:
    assert may(narrowed(patterns, scopes), code) == (may(patterns, code) and may(scopes, code))


def test_scopes_of_other_things_grant_nothing() -> None:
    assert narrowed({"*"}, ["openid", "profile *", "order:read *", "order:read"]) == {"order:read"}
    assert narrowed({"order:*"}, None) == {"order:*"}
    assert narrowed({"order:*"}, []) == frozenset()


def test_a_permit_says_permissions_and_is_kept_as_json() -> None:
    with pytest.raises(DeclarationError, match="HF486"):
        Permit(delete="order:*")
    assert from_json(to_json([Permit(delete="order:delete")])) == (Permit(delete="order:delete"),)
