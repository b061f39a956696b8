"""How much each part does: enough for a figure, or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass

SLOW_PEERS = ("boto3_resource", "parallel_suffix", "parallel_scan", "dynamodump")


@dataclass(frozen=True)
class Sizes:
    """Numbers of items, unless said otherwise."""

    pairs: int = 5
    warm: int = 1  # rounds before the first that counts: the server's code is compiled as it runs
    contests: tuple[str, ...] = ("tls_1k", "tls_200", "plain_1k")  # against the stub server, the first for the memory
    per_partition: int = 12_500  # of the stub server
    peer: int = 50_000
    ours_long: int = 1_000_000
    ours_short: int = 100_000
    ours_small: int = 400_000  # of 200 B
    engine: int = 20_000
    slow_peers: tuple[str, ...] = SLOW_PEERS
    slow: int = 2_000  # that the slower peers copy
    digests: int = 40_000
    load: int = 20_000
    cutovers: int = 100
    tenant: int = 200  # that the tenant has whose writes pause
    rate: float = 100.0  # writes per second of the application
    throttled: int = 40_000
    granted: float = 4_000.0  # write units a second
    changed: int = 5_000
    shards: int = 256  # of the fake stream
    records: float = 21_000.0  # written a second: those of the last moment are not read when the clock stops
    streamed: float = 12.0  # seconds


SMOKE = Sizes(
    pairs=1,
    warm=0,
    contests=("tls_1k",),
    per_partition=50,
    peer=100,
    ours_long=200,
    ours_short=100,
    ours_small=100,
    engine=200,
    slow_peers=("boto3_resource", "parallel_suffix"),
    slow=100,
    digests=200,
    load=200,
    cutovers=1,
    tenant=20,
    rate=20.0,
    throttled=640,
    granted=320.0,
    changed=100,
    shards=4,
    records=400.0,
    streamed=6.0,
)
"""For the suite: every part runs, no figure means anything."""
