"""The documentation check finds what it is there to find, and finds nothing in this project's own pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import checks, commands
from tests.docs.pages import Page, fragment
from tests.ui.golden import FOLDER

PREVIEW = (FOLDER / "plan.txt").read_text(encoding="utf-8")
CERTIFICATE = (FOLDER / "certificate.txt").read_text(encoding="utf-8")


def said(text: str, path: Path = checks.ROOT / "docs" / "page.md") -> list[str]:
    """What the checks say of a page with this text, with line numbers."""
    return [f"{problem.line}: {problem.text}" for problem in checks.problems([Page(path, text)])]


def only(text: str) -> str:
    """The one thing they say."""
    (one,) = said(text)
    return one


def test_every_page_of_this_project_is_right() -> None:
    assert [str(problem) for problem in checks.problems()] == []


# ---------------------------------------------------------------------------------------------------------------- links


def test_a_link_to_a_file_that_is_not_there_is_found() -> None:
    assert only("# A\n\nSee [this](how-to/nowhere.md).") == "3: the link how-to/nowhere.md leads nowhere"


def test_a_link_to_a_heading_that_is_not_there_is_found() -> None:
    assert said("[a](concepts.md#the-cutover)") == []
    assert (
        only("[a](concepts.md#the-cut-over)") == "1: the link concepts.md#the-cut-over names no heading of concepts.md"
    )


def test_a_link_within_the_page_is_held_to_its_own_headings(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# What it is, *really*\n\n[a](#what-it-is-really) [b](#what)\n", encoding="utf-8")
    assert said(page.read_text(encoding="utf-8"), page) == ["3: the link #what names no heading of page.md"]


def test_a_picture_and_a_link_broken_over_lines_are_links() -> None:
    assert only("![p](no.svg)") == "1: the link no.svg leads nowhere"
    assert only("see [one small\nfile](../no.py)") == "1: the link ../no.py leads nowhere"


def test_links_out_of_the_project_are_found_and_links_to_other_sites_left_alone() -> None:
    assert "leads out of the project" in only("[a](../../)")
    assert said("[a](https://keepachangelog.com/en/1.1.0/)") == []


def test_code_that_looks_like_a_link_is_none() -> None:
    assert said("`[a](b.md)`\n\n    [a](b.md)\n\n```text\n[a](b.md)\n```\n") == []


@pytest.mark.parametrize(
    ("heading", "wanted"),
    (
        ("Add a step in five files", "add-a-step-in-five-files"),
        ("`sandbox up`, and more", "sandbox-up-and-more"),
        ("[Link](x.md) here", "link-here"),
    ),
)
def test_a_heading_gets_the_fragment_that_github_gives_it(heading: str, wanted: str) -> None:
    assert fragment(heading) == wanted


def test_a_heading_that_comes_twice_is_numbered() -> None:
    assert Page(Path("x.md"), "# A\n\n# A\n").anchors() == {"a", "a-1"}


def test_a_page_that_nothing_leads_to_is_found() -> None:
    pages = [Page(checks.ROOT / "docs" / name, "# A\n") for name in ("a.md", "b.md")]
    assert [problem.text for problem in checks.unlinked(pages)] == ["no page leads here"] * 2


# ------------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    "line",
    (
        "plan tenant-42 --to premium",
        "migrate tenant-42 --to basic@pool-b --yes -o json",
        "-o json --config plans/estate.yaml status",
        "run tick RUN --for 5m",
        'lock break RUN --fence 3 --reason "host lost"',
        "migrate --help",
        "--version",
    ),
)
def test_a_command_that_there_is_has_no_fault(line: str) -> None:
    assert commands.fault(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    (
        ("move tenant-42", "there is no `portability move`"),
        ("run approve RUN", "there is no `portability run approve`"),
        ("migrate tenant-42 --to premium --force", "--force"),
        ("migrate --to premium", "Missing parameter: tenant"),
        ("plan tenant-42 --count all", "all"),
        ("reverse", "Missing parameter: run"),
        ("--wat status", "--wat"),
        ("run", "shows only help"),
        ('report "RUN', "cannot be read"),
    ),
)
def test_a_command_that_the_tool_would_not_take_is_refused_with_the_reason(line: str, why: str) -> None:
    assert why in str(commands.fault(line))


def test_commands_are_looked_for_in_blocks_of_shell_and_behind_prompts_and_not_in_what_was_printed() -> None:
    bad = "portability migrate tenant-42 --force"
    assert "3: `portability migrate tenant-42 --force`" in only(f"Then\n\n    {bad}\n")
    assert "2: " in only(f"```console\n{bad}   # why\n```")
    assert "3: " in only(f"```text\nthe run\n$ {bad}\n```")
    assert said(f"```text\n{bad}\n```") == []


def test_a_command_within_another_is_found() -> None:
    assert "sandbox rise" in only('    eval "$(portability sandbox rise)"\n')
    assert "run tock" in only("    */5 * * * * portability run tock RUN\n")
    assert "--far" in only("```sh\nportability status --far | tee it\n```")


def test_a_mention_may_leave_arguments_out_and_may_not_name_what_there_is_not() -> None:
    assert said("`portability complete`, `lock break --reason`, `--postpone-cutover`, `run list`, `plan`") == []
    assert "there is no `portability cleanup`" in only("`portability cleanup`")
    assert "there is no `portability lock steal`" in only("Say `lock steal`.")
    assert "--discover" in only("a\n\n`init --discovery`")
    assert only("`--until-tomorrow`") == "1: `--until-tomorrow`: no verb has --until-tomorrow"


# ----------------------------------------------------------------------------------------------------- files and names


def test_yaml_that_does_not_load_is_found_at_its_line() -> None:
    assert only("```yaml\na: 1\nb: [\n```").startswith("4: no YAML") or only("```yaml\na: 1\nb: [\n```").startswith(
        "3:"
    )


def test_a_fragment_of_an_estate_is_held_to_the_schema() -> None:
    assert said("```yaml\nfence: {use: [epoch], freeze_max: 5s}\n```") == []
    assert "freeze" in only("```yaml\nfence: {use: [epoch], freeze: 5s}\n```")


@pytest.mark.parametrize(
    ("text", "why"),
    (
        ("It is in plans/bridge.yaml.", "there is no plans/bridge.yaml"),
        ("see [x](../portability/cli/main.py) and portability/cli/mane.py", "there is no portability/cli/mane.py"),
        ("PORT-E999 says so", "there is no error PORT-E999"),
        ("it ends with exit 42", "there is no exit code 42"),
        ("run `make everything`", "there is no `make everything`"),
        ("`python -m portability.sandbox.application`", "there is no module portability.sandbox.application"),
    ),
)
def test_a_name_of_something_that_is_not_there_is_found(text: str, why: str) -> None:
    assert only(text) == f"1: {why}"


def test_names_that_are_there_pass() -> None:
    assert said("plans/*.yaml, tests/ui/golden/, PORT-E105, exit 7, `make docs`, portability/v1, docs/reference/") == []


def test_the_rooms_are_those_that_the_import_contract_holds() -> None:
    assert "the rooms are `cli > " in only("`cli > steps > stores > aws > journal > model > retry > engine > errors`")


# -------------------------------------------------------------------------------------------------------------- screens


def test_a_preview_as_the_golden_one_passes_with_other_figures_and_with_lines_left_out() -> None:
    lines = PREVIEW.rstrip("\n").split("\n")
    assert said(f"```text\n{PREVIEW}```") == []
    shortened = [*lines[:2], "  …", *lines[3:]]
    assert said("```text\n" + "\n".join(shortened).replace("212", "34").replace("812", "6") + "\n```") == []


@pytest.mark.parametrize(
    ("before", "after"),
    (
        ("estate serverless-saas", "the estate serverless-saas"),
        ("Other tenants written: none.", "Others: none."),
        ("mutating calls made:", "calls made:"),
        ("  + user pool ", "  * user pool "),
        ("  - nothing is deleted until `portability complete`, then:\n", ""),
    ),
)
def test_a_preview_that_reads_otherwise_is_found(before: str, after: str) -> None:
    assert before in PREVIEW
    assert said("```text\n" + PREVIEW.replace(before, after) + "```")


def test_a_certificate_line_is_held_to_the_golden_one() -> None:
    line = (
        CERTIFICATE.strip()
        .replace("DIGEST…", "3a99757dae6b…")
        .replace("Order 1,000", "Order 7 items 3a99757dae6b…, Product 2")
    )
    assert said(f"```text\n{line}\n```") == []
    assert "certificate" in only(f"```text\n{line.replace('late events', 'late writes')}\n```")


def test_a_command_named_in_a_comment_is_no_command() -> None:
    assert said("    pip install .   # and then `portability`, or portability nonsense\n") == []
