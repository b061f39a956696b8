"""The outside package, installed for these tests and gone after them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.outside.installed import install


@pytest.fixture(scope="package", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Find `portability_shelf` by its entry points."""
    site = tmp_path_factory.mktemp("site")
    install(site)
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] == "portability_shelf"]:
        del sys.modules[name]
