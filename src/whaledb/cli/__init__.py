"""The `whaledb` command: what every project has, and Whale Tracker's own commands."""

from typedsql.cli import make_app, run_app
from whaledb.cli import gaps, ingest, live, quickstart, reprice
from whaledb.project import PROJECT

FIRST_STEPS = (
    ("quickstart", "see it at work: whales on the screen"),
    ("doctor", "where it would connect, and what is wrong"),
    ("migrate", "make the tables, or bring them up to date"),
    ("ingest blocks PATH", "store the large transfers of blocks in a file"),
    ("ingest rpc URL", "follow a node: store them as they come"),
    ("query", "list the named queries; with a name, run one"),
)

app = make_app(
    PROJECT,
    about="Whale Tracker's database: real blocks in typed rows.",
    first_steps=FIRST_STEPS,
)
app.command()(quickstart.quickstart)
ingest.group.command()(live.rpc)
app.add_typer(ingest.group, name="ingest")
app.command()(gaps.gaps)
app.command()(live.backfill)
app.command()(reprice.reprice)


def main() -> None:
    """Entry point of the console script."""
    run_app(app)
