"""The tenant's application beside the campaign: threads that write through the fence's own snippet, with a ledger."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config

from portability.sandbox import ledger
from portability.sandbox.data_access import NO_RETRIES, DataAccess, StillFenced
from portability.sandbox.ledger import Ledger
from portability.sandbox.seed import find_shape
from portability.sandbox.shape import WRITE_ID
from portability.sandbox.writer import Writer
from tests.support.world import REGION, World, wait_for

CACHE = 0.1
"""Seconds a writer acts on a record it has read; what the estate declares is five times that."""


class Application:
    """Writers of one tenant that never end until told to; `paused` is a moment at which nothing is in flight.

    `name` tells them from other writers of the tenant, `cache` is in seconds, `endpoints` are taken in turn. Without
    `seeded` they write only keys of their own making.
    """

    def __init__(
        self,
        world: World,
        tenant: str,
        *,
        writers: int,
        rate: float,
        seed: object,
        name: str = "w",
        cache: float = CACHE,
        access: type[DataAccess] = DataAccess,
        endpoints: Sequence[str] = (),
        config: Config = NO_RETRIES,
        seeded: bool = True,
    ) -> None:
        self.ledgers = [world.folder / f"ledger-{name}{number}.jsonl" for number in range(writers)]
        self._world, self._tenant, self._rate, self._seed, self._name = world, tenant, rate, seed, name
        self._cache, self._access, self._config, self._seeded = cache, access, config, seeded
        self._endpoints = endpoints or [world.env["AWS_ENDPOINT_URL_DYNAMODB"]]
        self._acks = [0] * writers
        self._locks = [threading.Lock() for _ in self.ledgers]
        self._pausing, self._over = threading.Event(), threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._write, args=(number, path), name=f"writer {name}{number}")
            for number, path in enumerate(self.ledgers)
        ]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write until the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside the block nobody writes, and no write is on its way."""
        self._pausing.set()
        for lock in self._locks:
            lock.acquire()
        try:
            if self._failed:
                raise self._failed[0]
            yield
        finally:
            self._pausing.clear()
            for lock in self._locks:
                lock.release()

    def goes_on(self, *, within: float) -> None:
        """Wait until every writer was acknowledged anew."""
        before = self._acks.copy()
        wait_for(
            lambda: all(now > was for now, was in zip(self._acks, before, strict=True)) or self._failed, within=within
        )
        if self._failed:
            raise self._failed[0]

    def tries(self, *, within: float) -> None:
        """Wait until every writer has noted something anew: a try, a refusal or what became of it."""
        before = [path.stat().st_size for path in self.ledgers]
        wait_for(
            lambda: all(path.stat().st_size > was for path, was in zip(self.ledgers, before, strict=True)),
            within=within,
        )

    def pauses(self) -> list[list[float]]:
        """Every pause of each writer so far, in milliseconds: from a first refused try to the next accepted write."""
        told = [ledger.pause(ledger.read(path)).values() for path in self.ledgers]
        return [[ms for pauses in one for ms in pauses] for one in told]

    def _write(self, number: int, path: Path) -> None:
        world, shape, name = self._world, find_shape(self._world.shape), f"{self._name}{number}"
        client = boto3.Session(
            aws_access_key_id=world.env["AWS_ACCESS_KEY_ID"], aws_secret_access_key="testing", region_name=REGION
        ).client("dynamodb", endpoint_url=self._endpoints[number % len(self._endpoints)], config=self._config)
        rng = random.Random(f"{self._seed}/{number}")
        seeded = [
            (store, shape.stores[store].key_of(item))
            for store in (shape.stores if self._seeded else ())
            for item in shape.read_items(client, self._tenant, store)
            if WRITE_ID not in item
        ]

        def wait_for_the_fence(seconds: float) -> None:
            if self._over.is_set() or self._pausing.is_set():
                raise StillFenced
            time.sleep(seconds)

        where = (client, shape.directory, self._tenant)
        access = self._access(*where, cache_seconds=self._cache, sleep=wait_for_the_fence, rng=rng)
        with Ledger(path, name) as told:
            share = (number, len(self.ledgers))
            writer = Writer(name, shape, self._tenant, access, told, rng=rng, seeded=seeded, share=share)
            try:
                while not self._over.wait(rng.uniform(0.5, 1.5) / self._rate):
                    with self._locks[number]:
                        self._acks[number] += writer.write_once() == "ack"
            except Exception as error:  # noqa: BLE001 - told by whoever looks next
                self._failed.append(error)
