"""Permissions as plain data: their codes, the patterns that grant them, and the one rule of who may do what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from holdfast.errors import DeclarationError

SEGMENT = "[a-z0-9_][a-z0-9_.-]*"
CODE = f"{SEGMENT}:{SEGMENT}(:{SEGMENT})?"
"""``resource:action`` or ``resource:action:field``, as a regular expression that every database reads alike."""
LONGEST = 200

_CODE = re.compile(CODE)
_PATTERN = re.compile(rf"\*|{SEGMENT}:\*|{SEGMENT}:{SEGMENT}(:\*|:{SEGMENT})?")


class Permission(str):
    """A permission's code, ``resource:action`` or ``resource:action:field``; HF486 for anything else.

    >>> Permission("order:delete")
    Permission('order:delete')
    >>> Permission("order:*")
    Traceback (most recent call last):
    holdfast.errors.DeclarationError: HF486: 'order:*' is no permission. Write resource:action or \
resource:action:field, in lower case.
    """

    __slots__ = ()

    def __new__(cls, code: str) -> Permission:
        if not is_code(code):
            raise DeclarationError(
                "HF486",
                f"{code!r} is no permission.",
                "Write resource:action or resource:action:field, in lower case.",
            )
        return super().__new__(cls, code)

    def __repr__(self) -> str:
        return f"Permission({str(self)!r})"


class Permissions(frozenset[Permission]):
    """The permissions that there are, said once; a pattern that grants none of them is a mistake.

    >>> permissions = Permissions("order:read", "order:delete")
    >>> permissions.check("order:*")
    'order:*'
    >>> permissions.check("orders:*")
    Traceback (most recent call last):
    holdfast.errors.DeclarationError: HF486: 'orders:*' grants none of the permissions that are declared. Those are: \
order:delete, order:read.
    """

    __slots__ = ()

    def __new__(cls, *codes: str) -> Permissions:
        return super().__new__(cls, (Permission(code) for code in codes))

    def check(self, pattern: str) -> str:
        """The pattern itself; HF486 where it is none, or grants none of these."""
        check_pattern(pattern)
        if not any(may((pattern,), code) for code in self):
            raise DeclarationError(
                "HF486",
                f"{pattern!r} grants none of the permissions that are declared.",
                f"Those are: {', '.join(sorted(self))}.",
            )
        return pattern


def is_code(text: object) -> bool:
    return isinstance(text, str) and len(text) <= LONGEST and _CODE.fullmatch(text) is not None


def is_pattern(text: object) -> bool:
    return isinstance(text, str) and len(text) <= LONGEST and _PATTERN.fullmatch(text) is not None


def check_pattern(pattern: str) -> str:
    """The pattern itself: a permission, or one that ends in ``*``; HF486 for anything else."""
    if not is_pattern(pattern):
        raise DeclarationError(
            "HF486",
            f"{pattern!r} is no permission and no pattern of permissions.",
            "Write a permission, resource:*, resource:action:* or *.",
        )
    return pattern


def granting(pattern: str) -> tuple[str, ...]:
    """Every pattern that grants all that this permission, or this pattern, does.

    >>> granting("order:update:total")
    ('*', 'order:*', 'order:update:*', 'order:update:total')
    """
    parts = pattern.split(":")
    wider = (":".join((*parts[:number], "*")) for number in range(len(parts)))
    return tuple(dict.fromkeys((*wider, pattern)))


def may(patterns: Iterable[str], code: str) -> bool:
    """Whether one of the patterns grants the permission; what is no permission is granted by nothing.

    ``order:*`` grants whatever begins with ``order:``. ``order:update`` grants itself, and no ``order:update:total``.

    >>> may({"order:*"}, "order:update:total"), may({"order:update"}, "order:update:total")
    (True, False)
    """
    return is_code(code) and not set(granting(code)).isdisjoint(patterns)


def narrowed(patterns: Iterable[str], scopes: Iterable[str] | None) -> frozenset[str]:
    """What both the patterns and the scopes grant; None as scopes narrows nothing, and no scopes leave nothing.

    A token may have scopes of other things as well; what is no pattern grants nothing.

    >>> sorted(narrowed({"order:*", "invoice:read"}, {"order:read", "invoice:*", "user:*"}))
    ['invoice:read', 'order:read']
    """
    held = frozenset(patterns)
    if scopes is None:
        return held
    narrow = frozenset(filter(is_pattern, scopes))
    return frozenset((*_covered(held, narrow), *_covered(narrow, held)))


def _covered(patterns: frozenset[str], others: frozenset[str]) -> Iterator[str]:
    return (each for each in patterns if not others.isdisjoint(granting(each)))
