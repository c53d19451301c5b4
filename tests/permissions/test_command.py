"""``holdfast permissions``."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell
from tests.permissions.conftest import Shop, build


@pytest.mark.copy_of(build=build)
def test_who_may_and_why(shop: Shop) -> None:
    holdfast = Shell(shop.url.render_as_string(hide_password=False))

    def permissions(*arguments: str) -> tuple[int, str]:
        outcome = holdfast("permissions", *arguments)
        return outcome.code, outcome.out + outcome.err

    assert permissions("define", "auditor", "order:read", "--parent", "clerk", "--tenant", "acme") == (
        0, "The role auditor grants order:read, and all of clerk.\n"
    )  # fmt: skip
    code, said = permissions("grant", "dan", "auditor", "--tenant", "acme", "--for", "90d", "--reason", "year end")
    assert (code, said.startswith("dan has the role auditor in acme until 20")) == (0, True)
    assert permissions("who-can", "order:read") == (1, "Nobody has order:read.\n")
    found = holdfast("permissions", "who-can", "order:create", "--tenant", "acme", "--json").json
    assert [(each["actor"], each["role"]) for each in found] == [("cyd", "boss"), ("dan", "auditor")]
    code, said = permissions("explain", "dan", "order:create", "--tenant", "acme")
    assert (code, said.splitlines()[0]) == (0, "dan in acme may: order:create.")
    assert said.splitlines()[1].startswith("  role auditor through clerk grants order:create, until 20")
    code, said = permissions("explain", "dan", "order:create", "--tenant", "acme", "--scope", "order:read")
    assert (code, said.splitlines()[-1]) == (1, "  The scopes leave it out.")
    assert permissions("explain", "dan", "order:delete", "--tenant", "acme") == (
        1, "dan in acme may not: order:delete.\n  No role of dan grants it; there is auditor.\n"
    )  # fmt: skip
    assert permissions("explain", "eve", "order:delete") == (1, "eve may not: order:delete.\n  eve has no role.\n")
    assert "auditor" in permissions("roles", "--tenant", "acme")[1]
    assert {each["role"] for each in holdfast("permissions", "roles", "--json").json} == {"boss", "clerk"}
    assert permissions("revoke", "dan", "auditor", "--tenant", "acme") == (
        0, "dan has the role auditor no more in acme.\n"
    )  # fmt: skip
    assert permissions("revoke", "dan", "auditor", "--tenant", "acme")[0] == 1
    code, said = permissions("grant", "dan", "emperor")
    assert (code, "HF487" in said) == (1, True)
    code, said = permissions("define", "emperor", "order.*")
    assert (code, "HF486" in said) == (2, True)
