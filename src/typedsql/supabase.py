"""What Supabase's hosts, poolers, users and API keys look like; nothing here connects.

Source: Supabase's documentation, "Connect to your database" and "Understanding API keys".
"""

import base64
import re
from typing import Final

import msgspec

LOCAL_HOST: Final = "127.0.0.1"
LOCAL_PORT: Final = 54322
"""Where the command line's local stack has its database, whatever port its API has."""

_DOMAINS = (".supabase.co", ".supabase.com")
_SHARED_POOLER = ".pooler.supabase.com"
_URL = re.compile(r"https?://([A-Za-z0-9.-]+)(:[0-9]{1,5})?/?")
_PROJECT_HOST = re.compile(r"([a-z0-9-]{1,63})\.supabase\.co")
_DIRECT_HOST = re.compile(r"db\.[a-z0-9-]{1,63}\.supabase\.co")
_POOLER_USER = re.compile(r".+\.[A-Za-z0-9_-]+")
_KEY_PREFIXES = ("sb_publishable_", "sb_secret_")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]*\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")
_API_ROLES = ("anon", "authenticated", "service_role")


def is_supabase(host: str) -> bool:
    """Whether a host is one of Supabase's: of a project, or of its poolers."""
    return _plain(host).endswith(_DOMAINS)


def is_shared_pooler(host: str) -> bool:
    """Whether a host is a pooler that many projects share: Supavisor."""
    return _plain(host).endswith(_SHARED_POOLER)


def is_direct(host: str) -> bool:
    """Whether a host is a project's own server, which has an IPv6 address unless paid for."""
    return _DIRECT_HOST.fullmatch(_plain(host)) is not None


def names_project(user: str) -> bool:
    """Whether a user's name says the project, as the shared pooler needs: role.project_ref."""
    return _POOLER_USER.fullmatch(user) is not None


def database_host(url: str) -> str | None:
    """The database's host that SUPABASE_URL implies; None if it is no Supabase URL."""
    match = _URL.fullmatch(url.strip())
    host = match[1].lower() if match else ""
    if host in ("localhost", "127.0.0.1"):
        return LOCAL_HOST
    project = _PROJECT_HOST.fullmatch(host)
    return f"db.{project[1]}.supabase.co" if project else None


def looks_like_api_key(text: str) -> bool:
    """Whether a text is a key of Supabase's HTTP API rather than a password.

    Any JWT is taken for one but those that say that somebody else issued them: an access
    token of Azure's, for one, is a password there.
    """
    if text.startswith(_KEY_PREFIXES):
        return True
    match = _JWT.fullmatch(text)
    return match is not None and not _is_of_another_issuer(match[1])


class _Claims(msgspec.Struct):
    iss: str = ""
    role: str = ""


def _is_of_another_issuer(payload: str) -> bool:
    try:
        document = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        claims = msgspec.json.decode(document, type=_Claims)
    except (ValueError, msgspec.MsgspecError):
        return False
    return bool(claims.iss) and "supabase" not in claims.iss and claims.role not in _API_ROLES


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
