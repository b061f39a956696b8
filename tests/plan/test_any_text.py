"""Whatever a file holds, the answer is a value or `FileInvalid`, never a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from portability import errors
from portability.model.estate import Estate
from portability.model.recipe import Recipe
from portability.plan.document import Malformed, parse
from portability.plan.load import load_estate, load_recipe, validate
from tests.plan.samples import ESTATE, KNOWN, RECIPE

SYNTAX = st.text(alphabet=st.sampled_from("abk:{}[]-&*!|>'\"#%@,? \n\t\\<~01.xU\u2028é\x85"), max_size=60)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["5s", "pool", "{slug}"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


def outcome(raw: bytes) -> list[Estate | Recipe | errors.FileInvalid]:
    """What both loaders make of the bytes; anything else they raise fails the test."""
    answers: list[Estate | Recipe | errors.FileInvalid] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.yaml"
        path.write_bytes(raw)
        problems = validate([path], KNOWN)
        for load in (load_estate, lambda path: load_recipe(path, KNOWN)):
            try:
                answers.append(load(path))
            except errors.FileInvalid as refusal:
                answers.append(refusal)
        refusals = [answer for answer in answers if isinstance(answer, errors.FileInvalid)]
        assert all(refusal.where.startswith(f"{path}:") and refusal.what.isprintable() for refusal in refusals)
        assert bool(problems) == (len(refusals) == len(answers))
    return answers


@given(st.binary(max_size=80))
@example(b"\xef\xbb\xbfkind: Estate")
@example("kind: Estate".encode("utf-16"))
def test_any_bytes_are_a_value_or_a_refusal(raw: bytes) -> None:
    outcome(raw)


@given(SYNTAX)
@example("%YAML 9.9\n---\na")
@example("%YAML 99999999999999999999.1\n---\na")
@example("- - - -\n  -")
@example("? a\n: b")
@example("kind: Estate\n<<: {a: b}")
def test_any_text_of_yaml_signs_is_a_value_or_a_refusal(text: str) -> None:
    outcome(text.encode())


@given(st.integers(0, len(ESTATE) - 1), st.integers(0, 30), SYNTAX)
def test_an_estate_with_any_place_overwritten_is_a_value_or_a_refusal(at: int, cut: int, text: str) -> None:
    outcome((ESTATE[:at] + text + ESTATE[at + cut :]).encode())


@given(st.integers(0, len(RECIPE) - 1), st.integers(0, 30), SYNTAX)
def test_a_recipe_with_any_place_overwritten_is_a_value_or_a_refusal(at: int, cut: int, text: str) -> None:
    outcome((RECIPE[:at] + text + RECIPE[at + cut :]).encode())


@given(st.data())
def test_an_estate_with_any_value_replaced_is_a_value_or_a_refusal(data: st.DataObject) -> None:
    tree = yaml.safe_load(ESTATE if data.draw(st.booleans()) else RECIPE)
    here: Any = tree
    while True:
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.booleans()):
            here[key] = data.draw(TREES)
            break
        here = here[key]
    outcome(yaml.safe_dump(tree, allow_unicode=True).encode())


@given(PLAIN)
@example(-1_000_000_000_000_000_000)
def test_plain_data_written_as_yaml_is_read_back_as_it_was(tree: Any) -> None:
    document = parse(yaml.safe_dump(tree, allow_unicode=True).encode())
    assert document.problems == []
    assert document.data == tree


@given(
    st.sampled_from(["no", "on", "yes", "y", "12:30", "2026-01-01", "0x10", "0o7", "010", "1_000", ".inf", "1e3", "="])
)
def test_what_only_looks_like_something_else_is_text(text: str) -> None:
    assert parse(f"a: {text}".encode()).data == {"a": text}


@given(st.integers(1, 60))
def test_nesting_is_limited_however_it_is_written(depth: int) -> None:
    for raw in (b"[" * depth + b"]" * depth, b"{a: " * depth + b"b" + b"}" * depth, b"- " * depth + b"a"):
        if depth < 32:
            parse(raw)
        elif depth > 32:
            with pytest.raises(Malformed, match="nested deeper than 32"):
                parse(raw)
