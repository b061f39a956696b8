"""What is wrong with a file, in the very words an operator reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from portability import errors
from portability.plan.load import load_estate, load_recipe, load_recipes, validate
from tests.plan.samples import ESTATE, KNOWN, RECIPE, edited

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
)

NOT_A_DOCUMENT = {
    "empty": (b"", "e.yaml:1: the file is empty"),
    "only a comment": (b"# nothing\n", "e.yaml:1: the file is empty"),
    "only null": (b"~\n", "e.yaml:1: expected a mapping with `apiVersion` and `kind` at the top"),
    "a list": (b"- a\n", "e.yaml:1: expected a mapping with `apiVersion` and `kind` at the top"),
    "broken": (b"kind: Estate\ntiers: [a\nstores: b\n", "e.yaml:3: not YAML: expected ',' or ']', but got ':'"),
    "a tab": (b"kind: Estate\n\ttiers: a\n", "e.yaml:2: not YAML: found character '\\t' that cannot start any token"),
    "not UTF-8": (b"kind: Estate\nname: caf\xe9\n", "e.yaml:2: not UTF-8 text"),
    "a control character": (b"kind: Estate\nname: a\x07\n", "e.yaml:2: not YAML: the character U+0007 is not allowed"),
    "an escape out of range": (
        b'kind: "\\UFFFFFFFF"\n',
        "e.yaml:1: not YAML: a number in an escape or directive is out of range",
    ),
    "a tag": (
        b"kind: Estate\nname: !!python/name:os.system x\n",
        "e.yaml:2: the tag 'tag:yaml.org,2002:python/name:os.system' is not allowed",
    ),
    "two documents": (b"kind: Estate\n---\nkind: Estate\n", "e.yaml:2: a second document begins; one file holds one"),
    "too large": (b"#" * 1_000_001, "e.yaml:1: larger than 1,000,000 bytes"),
    "too deep": (b"kind: " + b"[" * 40 + b"]" * 40, "e.yaml:1: nested deeper than 32"),
    "too many values": (b"kind: [" + b"a, " * 20_001 + b"]", "e.yaml:1: more than 20,000 values"),
    "too many aliases": (b"a: &a x\nb: [" + b"*a, " * 101 + b"]", "e.yaml:2: more than 100 aliases"),
    "an alias bomb": (BOMB.encode(), "e.yaml:1: its aliases expand to more than 20,000 values"),
    "an alias of itself": (b"a: &a [*a]\n", "e.yaml:1: its aliases expand deeper than 32"),
    "a merge key": (b"a: &a {b: c}\nd: {<<: *a}\n", "e.yaml:2: merge keys (<<) are not allowed"),
    "a key of its own kind": (b"{a: b}: c\n", "e.yaml:1: a key must be one word, not a list or a mapping"),
    "an unknown alias": (b"kind: *nobody\n", "e.yaml:1: not YAML: found undefined alias 'nobody'"),
    "no kind": (b"apiVersion: portability/v1\n", "e.yaml:1: 'kind' is missing: Estate or MigrationPlan"),
    "a kind misspelt": (
        b"a: b\nkind: Estat\n",
        "e.yaml:2: kind: expected Estate or MigrationPlan, got 'Estat'; did you mean 'Estate'?",
    ),
    "another kind": (RECIPE.encode(), "e.yaml:2: kind: an Estate is needed here"),
}

GOLDEN = Path(__file__).parent / "bad"
WRONG: dict[str, dict[str, dict[str, str]]] = {
    name: yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())
    for name in ("attributes", "estate", "pattern", "recipe")
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NOT_A_DOCUMENT)
def test_a_text_that_is_no_estate_is_refused_with_its_line(name: str, here: Path) -> None:
    raw, wanted = NOT_A_DOCUMENT[name]
    (here / "e.yaml").write_bytes(raw)
    with pytest.raises(errors.FileInvalid) as refusal:
        load_estate("e.yaml")
    assert refusal.value.what.split(" (and")[0] == wanted
    assert refusal.value.next == "portability validate e.yaml"
    assert refusal.value.exit_code == 3


def test_the_samples_are_right(here: Path) -> None:
    (here / "e.yaml").write_text(ESTATE)
    (here / "r.yaml").write_text(RECIPE)
    assert validate(["e.yaml", "r.yaml"], KNOWN) == []


@pytest.mark.parametrize("name", WRONG["estate"])
def test_an_estate_with_one_thing_wrong_is_refused_where_it_is_wrong(name: str, here: Path) -> None:
    wrong = WRONG["estate"][name]
    (here / "e.yaml").write_text(edited(ESTATE, wrong["old"], wrong["new"]))
    with pytest.raises(errors.FileInvalid) as refusal:
        load_estate("e.yaml")
    assert refusal.value.what == f"e.yaml:{wrong['says']}"
    assert [str(problem) for problem in validate(["e.yaml"], KNOWN)] == [refusal.value.what]


@pytest.mark.parametrize("name", WRONG["pattern"])
def test_a_pattern_that_could_claim_a_neighbours_keys_is_refused(name: str, here: Path) -> None:
    wrong = WRONG["pattern"][name]
    (here / "e.yaml").write_text(edited(ESTATE, wrong["old"], wrong["new"]))
    with pytest.raises(errors.FileInvalid) as refusal:
        load_estate("e.yaml")
    assert refusal.value.what == f"e.yaml:{wrong['says']}"


@pytest.mark.parametrize("name", WRONG["attributes"])
def test_a_mapping_that_could_lose_or_mix_up_attributes_is_refused(name: str, here: Path) -> None:
    wrong = WRONG["attributes"][name]
    (here / "e.yaml").write_text(edited(ESTATE, wrong["old"], wrong["new"]))
    with pytest.raises(errors.FileInvalid) as refusal:
        load_estate("e.yaml")
    assert refusal.value.what == f"e.yaml:{wrong['says']}"


@pytest.mark.parametrize("name", WRONG["recipe"])
def test_a_recipe_with_one_thing_wrong_is_refused_where_it_is_wrong(name: str, here: Path) -> None:
    wrong = WRONG["recipe"][name]
    (here / "r.yaml").write_text(edited(RECIPE, wrong["old"], wrong["new"]))
    with pytest.raises(errors.FileInvalid) as refusal:
        load_recipe("r.yaml", KNOWN)
    assert refusal.value.what == f"r.yaml:{wrong['says']}"


def test_validate_lists_every_problem_and_load_counts_them(here: Path) -> None:
    text = edited(edited(edited(ESTATE, "5s", "5"), "model: pool", "model: pol"), "  beat: 10s", "  bead: 10s")
    (here / "e.yaml").write_text(text)
    (here / "r.yaml").write_text(edited(RECIPE, "uses: copy_data", "uses: copy"))
    assert [problem.where for problem in validate(["e.yaml", "r.yaml"], KNOWN)] == [
        "e.yaml:9",
        "e.yaml:16",
        "e.yaml:32",
        "r.yaml:13",
    ]
    with pytest.raises(errors.FileInvalid, match=r"^e\.yaml:9: journal: unknown key 'bead'.* \(and 2 more\)$"):
        load_estate("e.yaml")


def test_a_file_that_is_not_there_is_named(here: Path) -> None:
    with pytest.raises(errors.FileInvalid, match=r"^none\.yaml:1: cannot be read: No such file or directory$"):
        load_estate("none.yaml")
    assert [str(problem) for problem in validate(["none.yaml"], KNOWN)] == [
        "none.yaml:1: cannot be read: No such file or directory"
    ]


def test_two_recipes_of_one_pair_are_refused_because_nothing_says_which_would_run(here: Path) -> None:
    (here / "a.yaml").write_text(RECIPE)
    (here / "b.yaml").write_text(edited(RECIPE, "name: pool-to-silo", "name: another"))
    (here / "e.yaml").write_text(ESTATE)
    with pytest.raises(errors.FileInvalid) as refusal:
        load_recipes(here, KNOWN)
    wanted = f"{here}/b.yaml:4: from: {here}/a.yaml is a recipe from pool to silo already"
    assert refusal.value.what == wanted
    assert [str(problem) for problem in validate([here], KNOWN)] == [wanted]


def test_a_recipe_that_is_a_link_out_of_its_directory_is_refused(here: Path) -> None:
    (here / "plans").mkdir()
    (here / "secret.yaml").write_text(RECIPE)
    (here / "plans" / "r.yaml").symlink_to(here / "secret.yaml")
    with pytest.raises(errors.FileInvalid, match="leads out of the directory"):
        load_recipes(here / "plans", KNOWN)


FOREIGN = {
    "compose.yaml": "services: {web: {image: nginx}}\n",
    "template.yaml": "Resources:\n  Table: !Ref Name\n",
    "list.yml": "- a\n",
    "deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\n",
    "empty.yaml": "",
}


def test_files_of_other_tools_beside_the_recipes_are_skipped_unless_named(here: Path) -> None:
    for name, text in FOREIGN.items():
        (here / name).write_text(text)
    (here / "e.yaml").write_text(ESTATE)
    (here / "r.yaml").write_text(RECIPE)
    assert [recipe.name for recipe in load_recipes(here, KNOWN)] == ["pool-to-silo"]
    assert validate([here], KNOWN) == []
    assert [problem.file for problem in validate(["compose.yaml"], KNOWN)] == ["compose.yaml"]


@pytest.mark.parametrize(
    ("text", "says"),
    (
        (
            edited(RECIPE, "kind: MigrationPlan", "kind: MigrationPlam"),
            "r.yaml:2: kind: expected Estate or",
        ),
        (edited(RECIPE, "apiVersion: portability/v1\n", ""), "r.yaml:1: 'apiVersion' is missing"),
        (edited(RECIPE, "steps:", "steps: ["), "r.yaml:7: not YAML: "),
    ),
)
def test_a_broken_recipe_is_never_skipped_for_the_one_that_ships(text: str, says: str, here: Path) -> None:
    (here / "r.yaml").write_text(text)
    with pytest.raises(errors.FileInvalid) as refusal:
        load_recipes(".", KNOWN)
    assert refusal.value.what.startswith(says)
    (problem,) = validate(["."], KNOWN)
    assert str(problem) == refusal.value.what
