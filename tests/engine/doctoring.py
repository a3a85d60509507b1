"""Having the doctor look at a target as if DATABASE_URL named it."""

from tests.engine.refusing import CANARY
from typedsql.settings import ConnectionTarget
from typedsql.tools.doctor import Diagnosis, diagnose
from whaledb.project import PROJECT


def environment(target: ConnectionTarget, **more: str) -> dict[str, str]:
    return {"DATABASE_URL": target.dbmate_url(), **more}


async def look(target: ConnectionTarget, **more: str) -> Diagnosis:
    found = await diagnose(PROJECT, environ=environment(target, **more))
    assert CANARY not in repr(found)
    return found


def codes(found: Diagnosis) -> list[str]:
    return [finding.code for finding in found.findings]
