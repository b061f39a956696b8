"""`docs/reference/model.md`: what was explored, and what each rule is worth. Every row is what an exploration said."""

from __future__ import annotations

from pathlib import Path

from tests.model.explore import Counterexample, Explored
from tests.model.spaces import RULES, SPACES, Space, explored, without

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "model.md"
FIRST = """\
# What the protocol was held to

<!-- Written by `python -m tests.model` from what it explored; change the models, then run it. -->

The rules of [how a move works](../concepts.md) were written down twice: in the code, and in two small models of it in
`tests/model/`. In a model whatever may happen next does: a write of the tenant, the next request of the process, its
answer or none, its death, a rival, a request that lands long after its sender has died. Every state that can be reached
is visited, and in every one this holds:

* **Nothing stale is forgotten.** A key whose target state may be stale has its sync pending, durably.
* **Nothing acknowledged is lost.** The side that serves holds, for every key, the write that was acknowledged last.
* **One side accepts writes**, at any instant, or none does.
* **What got past a fence is not overwritten unseen**, and when a run soaks and all is quiet the sides are equal.
* **The run can always end.** From every state one can be reached in which it is finished or parked, the tenant writing.

*Moving* has the copy, the channel, parking, doubt, take-over, and a flip that trusts them. *Cutover* has the stamp,
the fence with two routers, the drain over two shards, the flip, the abort, the tripwire and the way back. Both have two
keys, each a unit or a shard of its own, and a second runner that takes over at any point.

## Explored whole
"""
SECOND = """\
`make model` explores four million states more, with more writes, deaths and lost answers at once, and prints
every step of each counterexample below.

## Every rule is needed

Each rule was taken out of its model, and the shortest way to what went wrong then was kept. A rule whose absence went
unnoticed would be idle, or the model blind; the suite fails for either.
"""
LAST = """
The shortest way is not the only one, and often not the worst: many of the first table end in a stale key that nothing
would ever sync, before anyone has flipped.

## What it does not say

* A model is not the code. It was written next to it, in the order in which the code does things; what holds the code to
  the same rules is the rest of the suite, which kills it at every call.
* It is bounded: so many writes, lost answers and take-overs as the table says, two keys, one store. Where data moves a
  value is *absent*, *current* or *old*.
* Time is the order of things. That no write lands after its horizon, that no application caches a record for longer
  than the estate declares, and that a probe spans what it should, is assumed. Without the assumption, as the rules
  *sign, look, send*, *stamp before fence* and *all routers* show, it breaks.
* The cutover syncs a key in one step, compares silent shards alone, and writes the record and the journal one after the
  other, as where they lie apart. Each allows more to go wrong than the code does.
* The model's guardian may lift the fence at any moment, by epoch;
  [the tool's](../decisions/0015-a-guardian-beside-the-cutover.md) only when its parent is gone or the time is up. A
  fence by policy, of which routers learn late, is in the model and not in the tool.
* Not in it: lost positions and comparing anew, items that cannot be written, shards that split, several stores, users,
  API keys, the journal's own chain, a crash of *moving*'s process inside its fence, deletion at the end.
"""


def page() -> str:
    """The whole page. Explores everything that it tells of."""
    spaces = [space_row(space, explored(space)) for space in SPACES]
    return "\n".join([FIRST + table("space | states | steps", spaces), SECOND + _rules(), LAST.strip("\n")]) + "\n"


def _rules() -> str:
    tables = [
        f"\n### {model.capitalize()}\n"
        + table("rule | what it says | without it", [rule_row(model, rule, without(model, rule)) for rule in rules])
        for model, rules in RULES.items()
    ]
    return "".join(tables)


def table(head: str, rows: list[str]) -> str:
    """A Markdown table."""
    return "\n".join(["", f"| {head} |", "|" + "---|" * len(head.split("|")), *rows, ""])


def space_row(space: Space, found: Explored) -> str:
    """A space, how large it is, and nothing that went wrong in it."""
    return f"| {space.about} | {found.states:,} | {found.steps:,} |"


def rule_row(model: str, rule: str, found: Counterexample | None) -> str:
    """A rule, and how it goes wrong without it."""
    wrong = "nothing" if found is None else f"{found.what}, after {len(found.trace)} steps"
    return f"| {rule} | {RULES[model][rule]} | {wrong} |"
