"""Every row that is made elsewhere, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.crash.elsewhere.base import Elsewhere
from tests.crash.elsewhere.journals import Journals
from tests.crash.elsewhere.machines import Machines, Unattended
from tests.crash.elsewhere.models import Models
from tests.crash.elsewhere.mutants import Mutants
from tests.crash.elsewhere.mutations import Mutations
from tests.crash.elsewhere.plans import Plans
from tests.crash.elsewhere.streams import FakedStreams

ELSEWHERE: Mapping[str, Elsewhere] = {
    "R12": FakedStreams(),
    "R13": Mutations(),
    "R17": Plans(),
    "R18": Journals(),
    "R19": Machines(),
    "R21": Models(),
    "R22": Mutants(),
    "R23": Unattended(),
}
