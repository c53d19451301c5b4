"""Permissions: who may do what in which tenant, asked in Python, and by the database of each transaction."""

from holdfast.permissions.asking import Explanation, Grant, Holder, explain, who_can
from holdfast.permissions.denying import deny
from holdfast.permissions.holding import Held, bind_permissions, held_by
from holdfast.permissions.requiring import acting, require, requires
from holdfast.permissions.roles import Role, define_role, drop_role, grant, revoke, roles
from holdfast.rights import Permission, Permissions

__all__ = [
    "Explanation",
    "Grant",
    "Held",
    "Holder",
    "Permission",
    "Permissions",
    "Role",
    "acting",
    "bind_permissions",
    "define_role",
    "deny",
    "drop_role",
    "explain",
    "grant",
    "held_by",
    "require",
    "requires",
    "revoke",
    "roles",
    "who_can",
]
