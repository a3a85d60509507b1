"""What `import whaledb` offers: the specification's words for a database as a whole."""

import pytest

import whaledb
from typedsql.errors import ConfigurationError, MigrationMismatch
from typedsql.settings import ConnectionTarget, resolve_target
from whaledb.project import PROJECT
from whaledb.queries import blocks


async def count(target: ConnectionTarget) -> int | None:
    async with whaledb.connect(target) as db:
        return await blocks.count(db, chain_id=1)


async def test_a_database_is_made_filled_reset_and_unmade(empty_database: ConnectionTarget) -> None:
    with pytest.raises(MigrationMismatch, match="whaledb migrate"):
        await count(empty_database)
    await whaledb.create_tables(empty_database)
    async with whaledb.connect(empty_database) as db, db.connection() as connection:
        await connection.execute(
            "INSERT INTO public.blocks (hash, chain_id, number, parent_hash, block_timestamp,"
            " min_value_eth, complete) VALUES ($1, 1, 1, $1, now(), 0, true)",
            "0x" + "ab" * 32,
        )
    await whaledb.create_tables(empty_database)
    assert await count(empty_database) == 1
    await whaledb.reset_database(empty_database)
    assert await count(empty_database) == 0
    await whaledb.drop_tables(empty_database)
    with pytest.raises(MigrationMismatch):
        await count(empty_database)


async def test_health_is_an_answer(
    target: ConnectionTarget, empty_database: ConnectionTarget
) -> None:
    well = await whaledb.check_database_health(target)
    assert (well.status, well.reason) == ("healthy", None)
    assert well.migration_version == PROJECT.latest_migration
    sick = await whaledb.check_database_health(empty_database)
    assert sick.status == "unhealthy"
    assert "whaledb migrate" in (sick.reason or "")


@pytest.mark.parametrize("work", [whaledb.drop_tables, whaledb.reset_database])
async def test_what_deletes_refuses_another_machine(work: type) -> None:
    remote = resolve_target("postgresql://u:secret@db.example.com/app", project=PROJECT.name)
    with pytest.raises(ConfigurationError, match=r"db\.example\.com") as refusal:
        await work(remote)
    assert "secret" not in str(refusal.value)
