"""Copy and channel together, on DynamoDB Local."""

import contextlib
from collections.abc import Sequence

import pytest

from portability import errors
from portability.aws.dynamodb import Wrote
from portability.stores.base import ChannelState, Flow
from tests.stores.faults import Faulty, Item
from tests.stores.memory_ledger import Crash, MemoryLedger
from tests.stores.world import World, Writer, copy_all, opened

pytestmark = pytest.mark.usefixtures("aws_env")


@pytest.fixture
def world(world: World) -> World:
    """With neighbours in the pool."""
    world.settle_neighbours(world.pool)
    return world


def test_a_copy_under_writes_ends_equal_and_brings_nothing_deleted_back(world: World) -> None:
    world.fill(world.pool, [world.item(number) for number in range(400)])
    before = world.others(world.pool)
    move, ledger = world.move(), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        with Writer(world, world.pool, range(450)) as writer:
            writer.wait_for(50)
            copy_all(move, Flow.FORWARD, channel)
            writer.wait_for(100)
        channel.settle(patience=20)
        writer.assert_kept(world.pool)
        writer.assert_kept(world.silo)
        world.assert_equal(world.pool, world.silo)
        assert any(item is None for item in writer.acknowledged.values())
        assert world.others(world.pool) == before
        assert channel.counts()["parked"] > 0
        assert not ledger.parked(channel.name)
    finally:
        channel.close()
    assert channel.name not in ledger.positions
    assert world.move()._source.stream().latest() is None


@pytest.mark.parametrize("sort_type", ("S", "N", "B"))
def test_a_silo_goes_back_to_a_pool_and_neighbours_are_untouched(aws_env: None, prefix: str, sort_type: str) -> None:
    world = World(prefix, sort_type=sort_type)
    world.make(world.pool)
    world.make(world.silo)
    world.settle_neighbours(world.pool)
    before = world.others(world.pool)
    world.fill(world.silo, [world.item(number) for number in range(120)])
    move, ledger = world.move(world.silo, world.pool), MemoryLedger()
    channel = opened(move, Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        with Writer(world, world.silo, range(150)) as writer:
            copy_all(move, Flow.FORWARD, channel)
            writer.wait_for(50)
        channel.settle(patience=20)
        writer.assert_kept(world.pool)
        world.assert_equal(world.silo, world.pool)
        assert all(move.compare(Flow.FORWARD, unit, repair=False).equal for unit in move.units(Flow.FORWARD))
        assert move.strays(Flow.FORWARD) == []
    finally:
        channel.close()
    assert world.others(world.pool) == before


def test_a_copy_goes_on_from_its_cursor_page_by_page(aws_env: None, prefix: str) -> None:
    world = World(prefix, sort_type="B")
    world.make(world.pool)
    world.make(world.silo)
    world.fill(world.pool, [world.item(number, filler={"S": "x" * 30_000}) for number in range(0, 360, 3)])
    unit = f"p/{world.partition(world.tenant, 0)}"
    pages = list(world.move().copy(Flow.FORWARD, unit, None))
    assert len(pages) > 2
    assert [page.cursor.done for page in pages] == [*[False] * (len(pages) - 1), True]
    assert pages[-1].cursor.items == 120
    assert pages[-1].cursor.bytes > 120 * 30_000

    world.make(world.pool_b)
    move = world.move(target=world.pool_b)
    list(move.copy(Flow.FORWARD, unit, pages[0].cursor))
    assert len(world.all(world.pool_b)) == 120 - pages[0].items
    assert list(move.copy(Flow.FORWARD, unit, pages[-1].cursor)) == []


def test_a_process_that_dies_in_mid_copy_is_followed_by_one_that_ends_equal(world: World) -> None:
    world.fill(world.pool, [world.item(number, filler={"S": "x" * 20_000}) for number in range(300)])
    ledger, cursors = MemoryLedger(), {}
    first = world.move()
    dying = opened(first, Flow.FORWARD, ledger)
    dying.start(ChannelState.SYNC)
    with Writer(world, world.pool, range(320)) as writer:
        unit = first.units(Flow.FORWARD)[0]
        copying = first.copy(Flow.FORWARD, unit, None)
        cursors[unit] = next(copying).cursor
        writer.wait_for(60)
        ledger.fail_on = "save_positions"  # nothing of the first process is written from here on
        with contextlib.suppress(Crash):
            dying.stop()
        ledger.fail_on = ""
        writer.wait_for(30)

        second = world.move(seed=2)
        channel = opened(second, Flow.FORWARD, ledger)
        channel.start(ChannelState.SYNC)
        try:
            for unit in second.units(Flow.FORWARD):
                list(second.copy(Flow.FORWARD, unit, cursors.get(unit)))
                channel.unit_done(unit)
            writer.stop()
            channel.settle(patience=20)
            writer.assert_kept(world.silo)
            world.assert_equal(world.pool, world.silo)
        finally:
            channel.close()


def test_what_is_deleted_and_changed_between_a_page_read_and_its_write_is_so_at_the_target(world: World) -> None:
    gone, changed = world.item(0), world.item(3, value="later")
    world.fill(world.pool, [world.item(number) for number in range(0, 30, 3)])
    meanwhile: list[str] = []

    def write_late(faulty: Faulty, table: str, puts: Sequence[Item], deletes: Sequence[Item]) -> Wrote:
        if not meanwhile:
            meanwhile.append(table)
            world.dynamo.delete(world.pool, world.key(gone))
            world.dynamo.put(world.pool, changed)
        return faulty.items.batch_write(table, puts, deletes)

    move = world.move(wrap=lambda items: Faulty(items, write_late))
    channel = opened(move, Flow.FORWARD, MemoryLedger())
    channel.start(ChannelState.SYNC)
    try:
        copy_all(move, Flow.FORWARD, channel)
        channel.settle(patience=20)
    finally:
        channel.close()
    assert meanwhile == [world.silo]
    assert changed in world.mine(world.silo).values()
    assert len(world.mine(world.silo)) == 9
    world.assert_equal(world.pool, world.silo)


def test_a_key_of_the_tenant_outside_the_range_stops_copy_and_channel(world: World) -> None:
    beyond = {"pk": {"S": "tenant-42-9"}, "sk": {"S": "1"}}
    world.fill(world.silo, [beyond])
    move = world.move(world.silo, world.pool)
    with pytest.raises(errors.Mismatch, match="in no unit"):
        copy_all(move, Flow.FORWARD)

    ledger = MemoryLedger()
    channel = opened(world.move(), Flow.FORWARD, ledger)
    channel.start(ChannelState.SYNC)
    try:
        world.fill(world.pool, [beyond])
        with pytest.raises(errors.Mismatch, match="in no unit"):
            channel.settle(patience=10)
    finally:
        channel.stop()


def test_a_strangers_item_in_the_tenants_own_table_stops_the_copy(world: World) -> None:
    world.fill(world.silo, [world.item(1, tenant="tenant-4")])
    with pytest.raises(errors.Mismatch, match="holds an item that is not"):
        copy_all(world.move(world.silo, world.pool), Flow.FORWARD)
    assert world.mine(world.pool) == {}


def test_sync_refuses_a_neighbours_key_before_anything_is_read(world: World) -> None:
    world.fill(world.silo, [world.item(1, tenant="tenant-4")])
    with pytest.raises(ValueError, match="outside tenant-42"):
        world.move().sync(Flow.FORWARD, [world.key(world.item(1, tenant="tenant-4"))])


def test_an_item_that_expired_is_copied_as_it_is(aws_env: None, prefix: str) -> None:
    world = World(prefix, ttl="expires")
    world.make(world.pool)
    world.make(world.silo)
    world.fill(world.pool, [world.item(1, expires={"N": "1000"})])
    copy_all(world.move(), Flow.FORWARD)
    world.assert_equal(world.pool, world.silo)
