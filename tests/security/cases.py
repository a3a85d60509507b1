"""The numbered cases: what somebody tries, and what has to become of it.

A test that shows one carries its number, `@pytest.mark.case(7)`. The numbers are those under
which the cases were agreed, and stay; a new case takes the next one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

GROUPS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "Row level security",
        14: "Identity on pooled connections",
        26: "Injection",
        30: "Bad data",
        42: "Secrets and TLS",
        47: "Exhaustion",
    }
)
"""The heading of each group, under the number it begins with."""

CASES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "A user reads, updates and deletes another user's alert: 0 rows.",
        2: "A user inserts an alert for another user, or for nobody: 42501.",
        3: "A user gives an alert to another user: 42501.",
        4: "anon uses any table or view: 42501.",
        5: "A user truncates a table: 42501.",
        6: "The claims are {}, empty, or their sub is null: 0 rows.",
        7: "The claims are malformed: an error, never rows.",
        8: "The legacy claim names somebody else before as_user begins: it is ignored.",
        9: "A user switches row_security off: 42501.",
        10: "A user reads auth.users: 42501.",
        11: "A user reads every table and view and calls every function: own rows only.",
        12: "An account is deleted: its profile, alerts and events go with it, no others.",
        13: "An API role is a superuser or has BYPASSRLS: unhealthy, and as_user refuses.",
        14: "as_user ends by commit, error, cancel, terminate or timeout: the session is clean.",
        15: "A session's SET ROLE and claims are gone when its connection is given back.",
        16: "Mixed requests of many users under random faults: 0 leaks, no name of a statement.",
        17: "as_user inside of as_user: refused.",
        18: "as_user's transaction is used after its end: refused.",
        19: "A statement with `; commit;` stacked behind it: 42601.",
        20: "A statement that commits: the identity is lost, and the next one is refused.",
        21: "as_user with the role service_role: ValueError.",
        22: "A write in a read-only as_user: 25006.",
        23: "The gateway's login leaves its role by RESET ROLE, SET ROLE or SET SESSION"
        " AUTHORIZATION: 42501.",
        24: "The gateway's login uses any table outside of as_user: 42501.",
        25: "500 tasks through a transaction pooler: no 26000, no 42P05.",
        26: "A sort key outside of the declared ones: ValueError, and nothing is sent.",
        27: "% and _ in what is searched for: they stand for themselves.",
        28: "Parameters that hold SQL: they are data.",
        29: "SQL built from strings in src: there is none but names that are quoted.",
        30: "NUL in a text: a typed error.",
        31: "A lone surrogate in a text: a typed error.",
        32: "A number beyond int64: a typed error.",
        33: "NaN where an amount belongs: a typed error.",
        34: "Infinity or a signalling NaN where an amount belongs: a typed error.",
        35: "Decimal 1E131072: a typed error.",
        36: "A float where an amount belongs: a typed error.",
        37: "The largest uint256: exact, or a typed error.",
        38: "A datetime without a zone: a typed error.",
        39: "A datetime beyond what PostgreSQL or Python can hold: a typed error.",
        40: "JSON 20,000 deep: a typed error, and the connection goes on.",
        41: "NaN in JSON, more than 32,767 parameters, 64 MB of text: typed errors.",
        42: "A password is in no str, repr, log or exception of ours.",
        43: "A URL whose password holds #, /, @, ? or %: guidance without its value.",
        44: "The DETAIL of a violation, which can hold the row, is not in our message.",
        45: "A Supabase host without a CA: refused.",
        46: "A wrong CA, a wrong host, a server without TLS: refused.",
        47: "No connection is free: a timeout error.",
        48: "The server ends an idle transaction: a typed error, and the pool recovers.",
        49: "A slow statement in as_user: 57014.",
        50: "A wrong password: tried once.",
        51: "COPY ... FROM STDIN as a statement: refused.",
    }
)
