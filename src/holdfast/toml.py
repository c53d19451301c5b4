"""``holdfast.toml``: what is declared for a database without models.

    url = "postgresql://app@localhost/shop"

    [tables.orders]
    audit = true                                # or { exclude = ["iban"], mask = ["phone"], inserts = "full",
                                                #      keep = "400d" }
    soft_delete = true                          # or "removed_on", or { column = "removed_on", raw_delete = "refuse",
                                                #      live_view = true, purge_after = "90d" },
                                                #      or live_view = "current_orders"
    timestamps = true                           # or { created = "created_on", updated = "changed_on" }
    version = true                              # or "revision", or { column = "revision" }
    guard = 1000                                # or true, or { max_rows = 1000, truncate = true }

A table of another schema is written ``[tables."sales.orders"]``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, get_args

from holdfast.durations import duration
from holdfast.errors import DeclarationError
from holdfast.inventory import Inventory
from holdfast.policies import (
    Audit,
    Guard,
    Inserts,
    Permit,
    Policy,
    RawDelete,
    Reads,
    SoftDelete,
    Tenant,
    Timestamps,
    Version,
)
from holdfast.rights import is_code
from holdfast.tables import TableInfo

NAME = "holdfast.toml"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the file says; empty where there is no file."""

    url: str | None = None
    tables: Mapping[str, tuple[Policy, ...]] = field(default_factory=dict)


def read(path: Path) -> Configuration:
    """The file's content, checked; HF108 says which key is wrong."""
    if not path.is_file():
        return Configuration()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError("HF108", f"{path.name} is not TOML: {error}.", "Mend that line.") from error
    except OSError as error:
        raise DeclarationError(
            "HF108", f"{path.name} cannot be read: {error.strerror}.", "Make it readable for this user, or remove it."
        ) from error
    _known(document, ("url", "tables"), "")
    url, tables = document.get("url"), document.get("tables", {})
    if url is not None and not isinstance(url, str):
        _wrong("url", "a database URL in quotes")
    if not isinstance(tables, dict):
        _wrong("tables", "a table: [tables.orders]")
    return Configuration(url, {name: _policies(name, each) for name, each in tables.items()})


def declared(configuration: Configuration, inventory: Inventory) -> Iterable[tuple[TableInfo, tuple[Policy, ...]]]:
    """Each table of the file as it is in the database, with its policies; HF409 where there is none of that name."""
    return [(inventory.resolve(name), policies) for name, policies in configuration.tables.items()]


def _policies(name: str, document: object) -> tuple[Policy, ...]:
    where = f"tables.{name}"
    if not isinstance(document, dict):
        _wrong(where, f"a table: [{where}]")
    _known(document, tuple(_READERS), where)
    policies = []
    for key, reader in _READERS.items():
        value = document.get(key, False)
        if value is not False:
            policies.append(reader(value, f"{where}.{key}"))
    if not policies:
        _wrong(where, "at least one policy, such as audit = true")
    return tuple(policies)


def _audit(value: object, where: str) -> Policy:
    options = _options(value, where, ("exclude", "mask", "large", "inserts", "keep"))
    return Audit(
        **{name: _names(options.get(name, []), f"{where}.{name}") for name in ("exclude", "mask", "large")},
        **_choices(options, where, "inserts", get_args(Inserts)),
        **_durations(options, where, "keep"),
    )


def _soft_delete(value: object, where: str) -> Policy:
    options = _options(value, where, ("column", "raw_delete", "live_view", "purge_after"), column="column")
    view = options.get("live_view", False)
    if not isinstance(view, bool | str) or view == "":
        _wrong(f"{where}.live_view", "true, false or the name of the view")
    return SoftDelete(
        **_texts(options, where, "column"),
        **_choices(options, where, "raw_delete", get_args(RawDelete)),
        live_view=view,
        **_durations(options, where, "purge_after"),
    )


def _timestamps(value: object, where: str) -> Policy:
    return Timestamps(**_texts(_options(value, where, ("created", "updated")), where, "created", "updated"))


def _version(value: object, where: str) -> Policy:
    return Version(**_texts(_options(value, where, ("column",), column="column"), where, "column"))


def _guard(value: object, where: str) -> Policy:
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"max_rows": value}
    options = _options(value, where, ("max_rows", "truncate"))
    rows, truncate = options.get("max_rows"), options.get("truncate", False)
    if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 1):
        _wrong(f"{where}.max_rows", "a number of rows, 1 or more")
    if not isinstance(truncate, bool):
        _wrong(f"{where}.truncate", "true or false")
    return Guard(max_rows=rows, truncate=truncate)


def _tenant(value: object, where: str) -> Policy:
    options = _options(value, where, ("column", "global_keys", "reads"), column="column")
    return Tenant(
        **_texts(options, where, "column"),
        global_keys=_names(options.get("global_keys", []), f"{where}.global_keys"),
        **_choices(options, where, "reads", get_args(Reads)),
    )


def _permit(value: object, where: str) -> Policy:
    commands = ("insert", "update", "delete", "select")
    options = _options(value, where, commands) if isinstance(value, dict) else {}
    for command in options:
        if not is_code(options[command]):
            _wrong(f"{where}.{command}", 'a permission, such as "order:delete"')
    if not options:
        _wrong(where, 'a table of permissions, such as { delete = "order:delete" }')
    return Permit(**options)


_READERS: Mapping[str, Callable[[object, str], Policy]] = {
    "audit": _audit,
    "soft_delete": _soft_delete,
    "timestamps": _timestamps,
    "version": _version,
    "tenant": _tenant,
    "permit": _permit,
    "guard": _guard,
}


def _options(value: object, where: str, allowed: tuple[str, ...], *, column: str = "") -> dict[str, Any]:
    """``true`` stands for the defaults, and a text for the column where the policy has one."""
    if value is True:
        return {}
    if column and isinstance(value, str):
        return {column: value}
    if not isinstance(value, dict):
        _wrong(where, f"true{', a column' if column else ''} or a table of {', '.join(allowed)}")
    _known(value, allowed, where)
    return value


def _texts(options: Mapping[str, Any], where: str, *names: str) -> dict[str, Any]:
    for name in names:
        if name in options and (not isinstance(options[name], str) or not options[name]):
            _wrong(f"{where}.{name}", "the name of a column")
    return {name: options[name] for name in names if name in options}


def _names(value: object, where: str) -> Any:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        _wrong(where, "a list of columns")
    return value


def _choices(options: Mapping[str, Any], where: str, name: str, allowed: tuple[str, ...]) -> dict[str, Any]:
    if name in options and options[name] not in allowed:
        _wrong(f"{where}.{name}", " or ".join(f'"{each}"' for each in allowed))
    return {name: options[name]} if name in options else {}


def _durations(options: Mapping[str, Any], where: str, name: str) -> dict[str, Any]:
    if name not in options:
        return {}
    try:
        return {name: duration(options[name])}
    except DeclarationError:
        _wrong(f"{where}.{name}", 'a number of days, 1 or more, or a text such as "400d"')


def _known(document: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in document:
        if key not in allowed:
            path = f"{where}.{key}" if where else key
            raise DeclarationError(
                "HF108", f"{NAME} has a key {path!r}, which means nothing.", f"Known here: {', '.join(allowed)}."
            )


def _wrong(where: str, expected: str) -> NoReturn:
    raise DeclarationError("HF108", f"{NAME}: {where} is not what it should be.", f"Write {expected}.")
