"""The tenant's application beside the campaign: threads that write through the fence's own snippet, with a ledger."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from portability.sandbox.data_access import NO_RETRIES, DataAccess, StillFenced
from portability.sandbox.ledger import Ledger
from portability.sandbox.seed import find_shape
from portability.sandbox.shape import WRITE_ID
from portability.sandbox.writer import Writer
from tests.support.world import REGION, World, wait_for

CACHE = 0.1
"""Seconds a writer acts on a record it has read; what the estate declares is five times that."""


class Application:
    """Writers of one tenant that never end until told to; `paused` is a moment at which nothing is in flight."""

    def __init__(self, world: World, tenant: str, *, writers: int, rate: float, seed: object) -> None:
        self.ledgers = [world.folder / f"ledger-{number}.jsonl" for number in range(writers)]
        self.writes = 0
        self._world, self._tenant, self._rate, self._seed = world, tenant, rate, seed
        self._locks = [threading.Lock() for _ in self.ledgers]
        self._pausing, self._over = threading.Event(), threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._write, args=(number, path), name=f"writer {number}")
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
        before = self.writes
        wait_for(lambda: self.writes >= before + len(self.ledgers) or self._failed, within=within)

    def _write(self, number: int, path: Path) -> None:
        world, shape = self._world, find_shape(self._world.shape)
        client = boto3.Session(
            aws_access_key_id=world.env["AWS_ACCESS_KEY_ID"], aws_secret_access_key="testing", region_name=REGION
        ).client("dynamodb", endpoint_url=world.env["AWS_ENDPOINT_URL_DYNAMODB"], config=NO_RETRIES)
        rng = random.Random(f"{self._seed}/{number}")
        seeded = [
            (store, shape.stores[store].key_of(item))
            for store in shape.stores
            for item in shape.read_items(client, self._tenant, store)
            if WRITE_ID not in item
        ]

        def wait_for_the_fence(seconds: float) -> None:
            if self._over.is_set() or self._pausing.is_set():
                raise StillFenced
            time.sleep(seconds)

        where = (client, shape.directory, self._tenant)
        access = DataAccess(*where, cache_seconds=CACHE, sleep=wait_for_the_fence, rng=rng)
        with Ledger(path, f"w{number}") as ledger:
            share = (number, len(self.ledgers))
            writer = Writer(f"w{number}", shape, self._tenant, access, ledger, rng=rng, seeded=seeded, share=share)
            try:
                while not self._over.wait(rng.uniform(0.5, 1.5) / self._rate):
                    with self._locks[number]:
                        self.writes += writer.write_once() == "ack"
            except Exception as error:  # noqa: BLE001 - told by whoever looks next
                self._failed.append(error)
