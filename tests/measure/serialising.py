"""What it takes to write a page of rows as JSON: by msgspec as it is, or through models.

    python -m tests.measure.serialising

A page of made-up transfers, as a query returned them, becomes the bytes of the same JSON in turn:

- control: `whaledb.schemas.encode_page`, which makes no model of a row;
- models: `WhaleTransactionRead` of each row, and pydantic's JSON of the page;
- models in one call: the same by one TypeAdapter of a list, and with the types of pydantic itself
  for numbers and times, whose JSON has exponents: as little as pydantic can do;
- writing alone: models that are there already, written;
- within FastAPI, as an application is called by a server: a route that returns the encoded page,
  and one that returns the rows and leaves them to its response_model, as is FastAPI's default;
  and the default of a route that names no model, jsonable_encoder, of dictionaries.

Before it is timed each is compared with the control as decoded JSON. The query and the network
are left out. Figures are times of this process on a processor.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.measure.pairs import CONTROL, Sample, Spread, in_turn, ratios
from whaledb import schemas
from whaledb.rows import WhaleTransaction

PAGE_ROWS = 1_000
WARM_UP_ROUNDS = 3
MS_PER_S = 1e3
CURSOR = "abc"

Encode = Callable[[], Awaitable[bytes]]


def made_up(count: int, seed: int) -> list[WhaleTransaction]:
    """Transfers of which most have a price and a receipt, none the same."""
    draw = random.Random(seed)
    began = datetime(2026, 1, 1, tzinfo=UTC)

    def digits(length: int) -> str:
        return f"0x{draw.getrandbits(4 * length):0{length}x}"

    def row(number: int) -> WhaleTransaction:
        at = began + timedelta(seconds=12 * number)
        wei = draw.randrange(10**20, 10**24)
        priced = draw.random() < 0.9
        return WhaleTransaction(
            UUID(int=draw.getrandbits(128)),
            digits(64),
            1,
            digits(64),
            "" if draw.random() < 0.9 else "0_1",
            23_000_000 + number,
            at,
            digits(40),
            digits(40) if draw.random() < 0.99 else None,
            Decimal(wei).scaleb(-18),
            Decimal(draw.randrange(10**9)).scaleb(-2) if priced else None,
            "coinbase:ETH/USD:1m" if priced else None,
            at if priced else None,
            draw.randrange(10**11),
            21_000,
            draw.random() < 0.98,
            Decimal(draw.randrange(10_000)).scaleb(-4),
            None,
            at + timedelta(microseconds=draw.randrange(10**6)),
            at + timedelta(microseconds=draw.randrange(10**6)),
        )

    return [row(number) for number in range(count)]


class PlainTransaction(BaseModel):
    """The same members with nothing but pydantic's own types."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    hash: str
    chain_id: int
    block_hash: str
    trace_path: str
    block_number: int
    block_timestamp: datetime
    from_address: str
    to_address: str | None
    value_eth: Decimal
    value_usd: Decimal | None
    price_source: str | None
    priced_at: datetime | None
    gas_price: int
    gas_used: int | None
    succeeded: bool | None
    whale_score: Decimal | None
    orphaned_at: datetime | None
    created_at: datetime
    updated_at: datetime


Read = schemas.Page[schemas.WhaleTransactionRead]
Plain = schemas.Page[PlainTransaction]
READ_ROWS = TypeAdapter(list[schemas.WhaleTransactionRead])
PLAIN_ROWS = TypeAdapter(list[PlainTransaction])


def application(rows: list[WhaleTransaction]) -> FastAPI:
    app = FastAPI()

    @app.get("/encoded")
    async def encoded() -> Response:
        return Response(schemas.encode_page(rows, CURSOR), media_type="application/json")

    @app.get("/response_model", response_model=Read)
    async def by_model() -> Any:
        return {"items": rows, "next_cursor": CURSOR}

    @app.get("/jsonable", response_model=None)
    async def by_encoder() -> Any:
        items = [msgspec.structs.asdict(row) for row in rows]
        return {"items": items, "next_cursor": CURSOR}

    return app


def called(app: FastAPI, path: str) -> Encode:
    """The body that a server would send for a request of this path."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def call() -> bytes:
        body: list[bytes] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] != 200:
                raise RuntimeError(f"{path} answered {message['status']}")
            body.append(message.get("body", b""))

        await app(dict(scope), receive, send)
        return b"".join(body)

    return call


def ways(rows: list[WhaleTransaction]) -> dict[str, Encode]:
    ready = Read(items=READ_ROWS.validate_python(rows), next_cursor=CURSOR)
    app = application(rows)

    async def control() -> bytes:
        return schemas.encode_page(rows, CURSOR)

    async def models() -> bytes:
        items = [schemas.WhaleTransactionRead.model_validate(row) for row in rows]
        return Read(items=items, next_cursor=CURSOR).model_dump_json().encode()

    async def in_one_call() -> bytes:
        items = READ_ROWS.validate_python(rows)
        return Read(items=items, next_cursor=CURSOR).model_dump_json().encode()

    async def plain() -> bytes:
        items = PLAIN_ROWS.validate_python(rows)
        return Plain(items=items, next_cursor=CURSOR).model_dump_json().encode()

    async def writing() -> bytes:
        return ready.model_dump_json().encode()

    return {
        CONTROL: control,
        "models": models,
        "models in one call": in_one_call,
        "models in one call, plain types": plain,
        "writing alone": writing,
        "FastAPI, encoded page": called(app, "/encoded"),
        "FastAPI, response_model": called(app, "/response_model"),
        "FastAPI, jsonable_encoder": called(app, "/jsonable"),
    }


def as_numbers(document: Any) -> Any:
    """Amounts by value: jsonable_encoder writes floats, plain types exponents."""
    return [
        {
            name: float(value) if name.startswith(("value_", "whale_")) and value else value
            for name, value in item.items()
        }
        for item in document["items"]
    ]


async def agree(encodings: dict[str, Encode]) -> int:
    """Bytes of the page. Raises RuntimeError where one says something else than the control."""
    whole = await encodings[CONTROL]()
    told = json.loads(whole)
    for name, encode in encodings.items():
        other = json.loads(await encode())
        exact = "plain" not in name and "jsonable" not in name
        if other["next_cursor"] != CURSOR or (
            other != told if exact else _times(as_numbers(other)) != _times(as_numbers(told))
        ):
            raise RuntimeError(f"{name} writes another page than the control")
    return len(whole)


def _times(items: Any) -> Any:
    # jsonable_encoder writes +00:00 where the others write Z.
    return [
        {
            name: value.replace("+00:00", "Z") if isinstance(value, str) else value
            for name, value in item.items()
        }
        for item in items
    ]


def timed(encode: Encode) -> Sample:
    async def sample() -> float:
        started = time.process_time()
        await encode()
        return time.process_time() - started

    return sample


async def measure(*, rows: int, rounds: int, seed: int) -> dict[str, Spread]:
    """Prints each way's time, and returns how many times the control's it is."""
    encodings = ways(made_up(rows, seed))
    size = await agree(encodings)
    cases = {name: timed(encode) for name, encode in encodings.items()}
    taken = await in_turn(cases, rounds=rounds, warm_up=WARM_UP_ROUNDS, seed=seed)
    print(
        f"seed {seed}, {rounds} rounds after {WARM_UP_ROUNDS} to warm up, a page of {rows} rows"
        f" of whale_transactions, {size} bytes"
    )
    print(f"  encode_page takes {Spread.of(taken[CONTROL]).text('ms', scale=MS_PER_S)}")
    found: dict[str, Spread] = {}
    for name in encodings:
        if name != CONTROL:
            found[name] = Spread.of(ratios(taken, name))
            print(f"  {name}: {found[name].text('times as long', digits=1)}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.measure.serialising")
    parser.add_argument("--rows", type=int, default=PAGE_ROWS)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20261122)
    options = parser.parse_args()
    asyncio.run(measure(rows=options.rows, rounds=options.rounds, seed=options.seed))


if __name__ == "__main__":
    main()
