"""Campaigns that take too long for the suite.

    python -m tests.soak [--seed N] [--kills N] [--queries N] [--cancellations N]
        [--merge-kills N] [--batch-kills N] [--transaction-kills N] [--rows N]
        [--server-kills N] [--requests N] [--folder DIR]

| option | what is done so often |
| --- | --- |
| --kills | processes that ingest, and one that follows a chain, are killed |
| --queries | random statements are proved and run, as tests.proof.campaign says |
| --cancellations | callers of the pool, of coalesced calls and of merges are cancelled |
| --merge-kills | backends are killed in the middle of the COPY of a merge |
| --batch-kills | backends are killed under 64 callers of coalesced calls |
| --transaction-kills | backends are killed under `run_transaction` |
| --rows | rows are inserted by coalesced calls, one in 100 of them bad |
| --server-kills | the whole server is killed under a worker, and started again |
| --requests | users' requests are sent by each way, PgBouncer among them, and disturbed |

Each campaign says at the top of its module what has to hold, and has a control that has to go
wrong; the control of --merge-kills is tested in tests/engine/test_bulk_faults.py. Zero leaves
a campaign out. The server that is killed is one of its own: it syncs to the disk of --folder,
by default /var/tmp.
Prints seed, counts and spread; exits with 1 if anything is wrong, or the control is right.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.databases import Databases, open_databases
from tests.engine import cancelling, merging_kills
from tests.pgbouncer import Pgbouncer, pgbouncer_program, standing_before
from tests.proof import campaign as proof
from tests.proof.report import Report
from tests.security import leaks, session_leaks
from tests.security.ways import NAMES, Way, open_way
from tests.servers import chosen_server
from tests.soak import bad_rows, batch_kills, server_kills, transaction_kills
from tests.soak.killable_server import open_killable
from tests.soak.killed_processes import kill_follower, kill_ingestion
from typedsql.settings import ConnectionTarget

CONTROL_TRIALS = 8
COUNTS = {
    "kills": (50, "processes killed by -9 that ingest, and as many that follow a chain"),
    "queries": (50_000, "random statements whose claims are tried"),
    "cancellations": (10_000, "calls that are cancelled, at random moments"),
    "merge-kills": (50, "backends killed in the middle of a bulk merge"),
    "batch-kills": (50, "backends killed in the middle of a batch"),
    "transaction-kills": (50, "backends killed under a transaction function"),
    "rows": (10_000, "rows that are stored one by one, some of them bad"),
    "server-kills": (100, "servers killed by -9 while they are written to"),
    "requests": (10_000, "requests of users by each way, some disturbed"),
}


def tell(report: Report) -> None:
    print(
        f"{report.queries} statements, {report.claimed} of {report.columns} columns claimed, "
        f"{len(report.unsound)} unsound",
        flush=True,
    )


def say(*lines: str) -> None:
    print("\n".join(lines), flush=True)


def in_ms(waits_s: Sequence[float]) -> str:
    if not waits_s:
        return "never waited for"
    middle = statistics.median(waits_s) * 1000
    return f"{middle:.0f} ms in the middle, {max(waits_s) * 1000:.0f} ms at most"


async def prove(server: ConnectionTarget, seed: int, queries: int) -> bool:
    """Ask that many random statements whether the claims about their columns hold."""
    async with (
        open_databases(server) as databases,
        databases.fresh() as target,
        proof.opened(target) as campaign,
    ):
        report = await campaign.run(seed, queries, progress=tell)
    say(*report.lines(), *report.complaints)
    return not report.complaints


async def cancel(server: ConnectionTarget, seed: int, count: int) -> bool:
    async with open_databases(server) as databases:
        template = await databases.template()
        async with databases.fresh(template) as target:
            ours = await cancelling.through_ours(target, count=count, seed=seed)
        async with databases.fresh(template) as target:
            control = await cancelling.through_a_careless_pool(target, count=count, seed=seed)
    say(
        f"cancellations: {count}, left by ours: {ours}",
        f"left by a pool without a reset: {control}",
    )
    return ours.is_clean and not control.is_clean


async def interrupt_merges(server: ConnectionTarget, seed: int, kills: int) -> bool:
    async with open_databases(server) as databases:
        outcome = await merging_kills.campaign(databases, seed=seed, kills=kills)
    say(
        f"backends killed in a merge: {kills}, merges that raised: {outcome.lost}; until it "
        f"ended {in_ms(outcome.waits_s)}",
        *(outcome.wrong or ["nothing was lost, nothing is there twice"]),
    )
    return not outcome.wrong and outcome.lost > 0


async def kill_batches(server: ConnectionTarget, seed: int, kills: int) -> bool:
    async with open_databases(server) as databases:
        template = await databases.template()
        async with databases.fresh(template) as target:
            outcome = await batch_kills.campaign(target, seed=seed, kills=kills)
        async with databases.fresh() as target:
            hung = await batch_kills.hanging_copies(target, trials=CONTROL_TRIALS)
    say(
        f"backends killed under {batch_kills.CALLERS} callers: {outcome.kills}, calls: "
        f"{outcome.calls}, raised: {outcome.failed}, acknowledged rows: {outcome.acknowledged}, "
        f"stored: {outcome.stored}",
        f"until the last caller had its result or error: {in_ms(outcome.waits_s)}",
        *(outcome.wrong or ["nothing was lost, nothing is there twice, the pool is full again"]),
        f"control: of {CONTROL_TRIALS} COPYs of the driver {hung} hang after such a kill",
    )
    return not outcome.wrong and outcome.failed > 0 and hung > 0


async def kill_transactions(server: ConnectionTarget, seed: int, kills: int) -> bool:
    async with open_databases(server) as databases:
        template = await databases.template()
        async with databases.fresh(template) as target:
            ours = await transaction_kills.campaign(target, seed=seed, kills=kills)
        async with databases.fresh(template) as target:
            control = await transaction_kills.campaign(
                target, seed=seed, kills=kills, run=transaction_kills.run_once
            )
    say(
        f"backends killed under run_transaction: {ours.kills}, calls that succeeded: "
        f"{ours.succeeded}, failed: {ours.failed}; until all {transaction_kills.CALLERS} "
        f"callers were through {in_ms(ours.waits_s)}",
        *(ours.wrong or ["nothing was lost, nothing is there twice, the pool is full again"]),
        f"control: under a plain transaction {control.failed} calls failed",
    )
    return not (ours.wrong or ours.failed) and control.failed > 0


async def send_bad_rows(server: ConnectionTarget, seed: int, count: int) -> bool:
    async with open_databases(server) as databases:
        template = await databases.template()
        async with databases.fresh(template) as target:
            ours = await bad_rows.campaign(target, seed=seed, count=count)
        async with databases.fresh(template) as target:
            control = await bad_rows.unsplit(target, seed=seed, count=count)
    say(
        f"coalesced inserts: {count}, bad: {ours.bad}, refused: {ours.refused}, others that "
        f"failed: {ours.innocent}, stored: {ours.stored}",
        *(ours.wrong or ["each good row is there once"]),
        f"control: in batches of {bad_rows.CONTROL_BATCH_ROWS} that are not split "
        f"{control.innocent} good rows failed with the bad ones",
    )
    return not ours.wrong and control.innocent > 0


async def send_requests(server: ConnectionTarget, seed: int, count: int) -> bool:
    """Through PgBouncer, directly, and both by a gateway; the control through PgBouncer."""
    if pgbouncer_program() is None:
        say("PgBouncer is not installed: apt-get install pgbouncer, or --requests 0")
        return False
    clean = True
    async with open_databases(server) as databases:
        with standing_before(server) as pgbouncer:
            for name in NAMES:
                async with _way(name, databases, pgbouncer) as way:
                    ours = await leaks.campaign(way, seed=seed, requests=count)
                say(f"{name}: {ours.report()}")
                clean = clean and ours.is_clean
            async with _way("pgbouncer", databases, pgbouncer) as way:
                control = await session_leaks.campaign(way, seed=seed, requests=count // 10)
            say(f"control, SET ROLE and claims for the session: {control.report()}")
    return clean and control.leaks.total() > 0


@asynccontextmanager
async def _way(name: str, databases: Databases, pgbouncer: Pgbouncer) -> AsyncIterator[Way]:
    async with (
        databases.fresh(await databases.template()) as target,
        open_way(name, target, pgbouncer) as way,
    ):
        yield way


async def kill_servers(folder: Path, seed: int, kills: int) -> bool:
    async with open_killable(folder) as server:
        outcome = await server_kills.campaign(server, seed=seed, kills=kills)
    say(*server_kills.report(outcome))
    return not outcome.wrong and outcome.control_doubled > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1, help="of what is chosen at random")
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp"), help="for the servers that are killed"
    )
    for name, (count, meaning) in COUNTS.items():
        parser.add_argument(
            f"--{name}", type=int, default=count, help=f"{meaning}; %(default)s, 0 for none"
        )
    options = parser.parse_args()
    seed: int = options.seed
    campaigns = [
        (options.queries, prove),
        (options.cancellations, cancel),
        (options.merge_kills, interrupt_merges),
        (options.batch_kills, kill_batches),
        (options.transaction_kills, kill_transactions),
        (options.rows, send_bad_rows),
        (options.requests, send_requests),
    ]
    with chosen_server() as server, tempfile.TemporaryDirectory() as folder:
        say(server.describe(), f"seed {seed}")
        sound = True
        if options.kills:
            path = Path(folder) / "blocks.ndjson"
            sound = asyncio.run(kill_ingestion(server.target, path, seed, options.kills))
            sound = asyncio.run(kill_follower(server.target, seed, options.kills)) and sound
        for count, campaign in campaigns:
            if count:
                sound = asyncio.run(campaign(server.target, seed, count)) and sound
    if options.server_kills:
        sound = asyncio.run(kill_servers(options.folder, seed, options.server_kills)) and sound
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
