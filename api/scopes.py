"""What a credential may do. Keys carry scopes; people carry a role, which stands for scopes."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Scope(StrEnum):
    """One permission; every route of the tenant API names exactly one."""

    #: Of oneself: sessions, password. Every person has it.
    ACCOUNT_OWN = "account:own"
    TENANT_READ = "tenant:read"
    TENANT_MANAGE = "tenant:manage"
    USERS_READ = "users:read"
    USERS_MANAGE = "users:manage"
    API_KEYS_MANAGE = "api-keys:manage"
    NUMBERS_READ = "numbers:read"
    NUMBERS_SYNC = "numbers:sync"
    CONTACTS_READ = "contacts:read"
    CONTACTS_WRITE = "contacts:write"
    CONSENTS_READ = "consents:read"
    CONSENTS_WRITE = "consents:write"
    TEMPLATES_READ = "templates:read"
    TEMPLATES_SYNC = "templates:sync"
    TEMPLATES_WRITE = "templates:write"
    CAMPAIGNS_READ = "campaigns:read"
    CAMPAIGNS_WRITE = "campaigns:write"
    CAMPAIGNS_APPROVE = "campaigns:approve"
    MESSAGES_READ = "messages:read"
    MESSAGES_SEND = "messages:send"
    USAGE_READ = "usage:read"
    INVOICES_READ = "invoices:read"
    EXPORTS_READ = "exports:read"
    EXPORTS_WRITE = "exports:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_MANAGE = "webhooks:manage"
    AUDIT_READ = "audit:read"


class Role(StrEnum):
    """What a person is in a tenant."""

    OWNER = "owner"
    ADMIN = "admin"
    MARKETER = "marketer"
    APPROVER = "approver"
    FINANCE = "finance"
    VIEWER = "viewer"


_ALL: Final = frozenset(Scope)
_LOOKING: Final = frozenset(
    {
        Scope.ACCOUNT_OWN,
        Scope.TENANT_READ,
        Scope.NUMBERS_READ,
        Scope.TEMPLATES_READ,
        Scope.CAMPAIGNS_READ,
        Scope.USAGE_READ,
    }
)
_PEOPLE: Final = frozenset({Scope.CONTACTS_READ, Scope.CONSENTS_READ, Scope.MESSAGES_READ})

SCOPES_BY_ROLE: Final[Mapping[Role, frozenset[Scope]]] = MappingProxyType(
    {
        Role.OWNER: _ALL,
        # The rules that bind everybody are the owners' alone.
        Role.ADMIN: _ALL - {Scope.TENANT_MANAGE},
        Role.MARKETER: _LOOKING
        | _PEOPLE
        | {
            Scope.CONTACTS_WRITE,
            Scope.CONSENTS_WRITE,
            Scope.TEMPLATES_SYNC,
            Scope.TEMPLATES_WRITE,
            Scope.NUMBERS_SYNC,
            Scope.CAMPAIGNS_WRITE,
            Scope.MESSAGES_SEND,
            Scope.EXPORTS_READ,
            Scope.EXPORTS_WRITE,
        },
        # Who approves doesn't write: two people stand behind every campaign, where wanted.
        Role.APPROVER: _LOOKING | _PEOPLE | {Scope.CAMPAIGNS_APPROVE},
        Role.FINANCE: _LOOKING | {Scope.INVOICES_READ, Scope.EXPORTS_READ, Scope.EXPORTS_WRITE},
        Role.VIEWER: _LOOKING,
    }
)
