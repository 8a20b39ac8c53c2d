"""The README tells the truth: its tables, links and commands."""

import re

import pytest
import readme_tables

from aif_ros import __main__ as main_module

README = (readme_tables.ROOT / "README.md").read_text()
PAGES = [readme_tables.ROOT / "README.md", *(readme_tables.ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("name", readme_tables.TABLES)
def test_table_agrees_with_the_code(name):
    match = readme_tables.section(name).search(README)
    assert match, f"the README has no table '{name}'"
    assert match[2] == readme_tables.TABLES[name](), (
        "run: PYTHONPATH=. python test/helpers/readme_tables.py"
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
    for picture in (readme_tables.ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, f"{picture.name} is too large"
