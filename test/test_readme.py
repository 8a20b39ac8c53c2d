"""The README tells the truth: its tables, links and commands."""

import re

import generate_docs
import pytest

from aif_ros import __main__ as main_module

README = (generate_docs.ROOT / "README.md").read_text()
PAGES = [generate_docs.ROOT / "README.md", *(generate_docs.ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("name", generate_docs.TABLES)
def test_table_agrees_with_the_code(name):
    match = generate_docs.section(name).search(README)
    assert match, f"the README has no table '{name}'"
    assert match[2] == generate_docs.TABLES[name](), (
        "run: PYTHONPATH=. python scripts/generate_docs.py"
    )


def test_the_parameter_file_agrees_with_the_settings():
    assert generate_docs.PARAMETER_FILE.read_text() == generate_docs.parameter_file(), (
        "run: PYTHONPATH=. python scripts/generate_docs.py"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist_and_take_the_arguments_shown(page):
    for line in re.findall(r"^(?:\$ )?(?:python -m aif_ros|aif) (.*)$", page.read_text(), re.M):
        words = line.partition("#")[0].split()
        parser = main_module._build_parser(words)
        try:
            parser.parse_args(words)
        except SystemExit as exit_:
            assert exit_.code in (0, None), f"{page.name}: aif {line}"


def test_result_picture_is_small():
    for picture in (generate_docs.ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, f"{picture.name} is too large"
