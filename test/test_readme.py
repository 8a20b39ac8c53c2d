"""Tables, links and commands of the README agree with the code."""

import importlib
import re
import shlex

import generate_docs
import pytest

from aif_ros import __main__ as main_module
from aif_ros.cli._parsing import UsageError, parse

README = (generate_docs.ROOT / "README.md").read_text()
PAGES = [
    generate_docs.ROOT / "README.md",
    generate_docs.ROOT / "CONTRIBUTING.md",
    *(generate_docs.ROOT / "docs").rglob("*.md"),
]


@pytest.mark.parametrize("name", generate_docs.TABLES)
def test_table_agrees_with_the_code(name):
    match = re.search(f"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.DOTALL)
    assert match, f"the README has no table '{name}'"
    assert match[1] == generate_docs.TABLES[name](), (
        "run: PYTHONPATH=. python scripts/generate_docs.py"
    )


@pytest.mark.parametrize("path", generate_docs.GENERATED, ids=lambda path: path.name)
def test_generated_parameter_files_agree_with_the_settings(path):
    assert path.read_text() == generate_docs.GENERATED[path](), (
        "run: PYTHONPATH=. python scripts/generate_docs.py"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(generate_docs.ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(generate_docs.ROOT)))
def test_files_of_the_repository_exist(page):
    folders = "aif_ros|test|docs|config|launch|scripts"
    for path in re.findall(rf"`((?:{folders})/[\w./*-]*)`", page.read_text()):
        assert list(generate_docs.ROOT.glob(path)), f"{page.name} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(generate_docs.ROOT)))
def test_commands_exist_and_take_the_arguments_shown(page):
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"^(?:\$ )?(?:python -m aif_ros|aif) (.*)$", text, re.M):
        command = main_module.find_command(shlex.split(line, comments=True))
        if command.is_group:
            assert command.words == ("--help",), f"{page.name}: aif {line}"
            continue
        arguments = importlib.import_module(command.module).Arguments
        try:
            parse(arguments, command.words, command.prog, "")
        except UsageError as error:
            raise AssertionError(f"{page.name}: aif {line}") from error
        except SystemExit as exit_:
            assert exit_.code in (0, None), f"{page.name}: aif {line}"


def test_result_picture_is_small():
    for picture in (generate_docs.ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, f"{picture.name} is too large"
