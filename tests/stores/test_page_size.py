"""How large a unit's pages are: by how long the last one took."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portability.stores.dynamodb.page_size import LEAST, MOST, PROMPT, PageSize


class Server:
    """Answers a page after a fixed time, and so long per item."""

    def __init__(self, answer: float, item: float) -> None:
        self.now = 0.0
        self._answer = answer
        self._item = item

    def page(self, items: int) -> float:
        """A page; how long it took."""
        took = self._answer + items * self._item
        self.now += took
        return took


@given(answer=st.floats(0.0, 0.1), item=st.floats(0.0, 0.001))
def test_pages_grow_while_they_come_promptly_and_shrink_while_they_do_not(answer: float, item: float) -> None:
    server = Server(answer, item)
    size = PageSize(lambda: server.now)
    sizes = []
    for _ in range(20):
        sizes.append(size.items)
        size.timed(server.page)
    assert sizes[0] == LEAST
    settled = sizes[-5:]
    assert all(LEAST <= each <= MOST for each in sizes)
    for each in settled:
        took = answer + each * item
        assert took <= PROMPT * 1.001 or each == LEAST
        assert took > PROMPT / 2 * 0.999 or each == MOST


def test_a_page_that_fails_teaches_nothing_and_is_asked_for_again_as_it_was() -> None:
    size = PageSize(lambda: 0.0)

    def refused(_: int) -> None:
        raise TimeoutError

    for _ in range(3):
        try:
            size.timed(refused)
        except TimeoutError:
            continue
    assert size.items == LEAST
