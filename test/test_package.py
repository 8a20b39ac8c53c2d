"""The package as others get it: its files, its dependencies and its import rules."""

import ast
import configparser
import graphlib
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest
import yaml
from importlinter.cli import lint_imports

import aif_ros

ROOT = Path(__file__).resolve().parent.parent

# Import name -> rosdep key, where they differ.
ROSDEP_KEYS = {
    "cv2": "python3-opencv",
    "PIL": "python3-pil",
    "yaml": "python3-yaml",
    "serial": "python3-serial",
    "typing_extensions": "python3-typing-extensions",
    # It has no key of its own, but scikit-image brings it.
    "tifffile": "python3-skimage",
}
# Not in rosdep: package.xml says how to get them, and the code that needs them says so too.
WITHOUT_KEY = {"imagecodecs", "pydantic", "safetensors", "tyro"}
# Extras, which the code that needs them asks for.
EXTRAS = {
    "onnxruntime",
    "alpaca",
    "bioio",
    "fastapi",
    "gymnasium",
    "mcap",
    "pymmcore_plus",
    "pytorch_optimizer",
    "rawpy",
    "requests",
    "rosbags",
    "starlette",
    "tensorboard",
    "useq",
    "uvicorn",
    "websockets",
}
# What the benchmark runs in a Python of its own, if it is installed.
ELSEWHERE = {"shinestacker"}


def third_party_imports():
    """Top-level modules the package imports that come neither from Python nor from itself."""
    found = set()
    for path in (ROOT / "aif_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"_typeshed", "aif_ros"}


def package_xml():
    return ET.parse(ROOT / "package.xml").getroot()


def requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r"))]


def test_no_message_installs_the_package_from_pypi():
    """The package is not there: `aif_ros.types.extras.install` has the command."""
    files = [
        *(ROOT / "aif_ros").rglob("*.py"),
        *(ROOT / "launch").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
    ]
    wrong = re.compile(r"pip install ['\"]?aif_ros")
    assert [str(file) for file in files if wrong.search(file.read_text())] == []


def test_package_xml_declares_every_import():
    declared = {element.text for element in package_xml().iter("exec_depend")}
    for module in third_party_imports() - WITHOUT_KEY - EXTRAS - ELSEWHERE:
        key = ROSDEP_KEYS.get(module)
        assert declared & {key, module, f"python3-{module}", f"python3-{module}-pip"}, (
            f"package.xml lacks {module}"
        )


def test_nodes_need_no_key_that_pip_installs():
    assert not [e.text for e in package_xml().iter("exec_depend") if e.text.endswith("-pip")]


# What the plain installation, without extras, does not have.
PLAIN = """
import sys
from importlib.machinery import PathFinder

class Installed:
    def find_spec(self, name, path=None, target=None):
        missing = name.partition(".")[0] in sys.argv[1].split(",")
        return None if missing else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Installed() if each is PathFinder else each for each in sys.meta_path]
from aif_ros.__main__ import main
sys.exit(main(sys.argv[2:]))
"""
MISSING = (
    "torch,safetensors,pydantic,rclpy,gymnasium,pytorch_optimizer,tensorboard,rawpy,bioio,launch,"
    "ament_index_python"
)


def plain(*words):
    return subprocess.run(
        [sys.executable, "-c", PLAIN, MISSING, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_plain_installation_runs_the_loop_and_fuses_stacks(tmp_path):
    fused = tmp_path / "fused.png"
    result = plain("run", "--scene", "planes", "--width", "160", "--agent", "sweep", "-o", fused)
    assert result.returncode == 0, result.stderr
    assert fused.exists()
    result = plain("stack", fused, fused, "-o", tmp_path / "stacked.png")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["demo"], "ros"),
        (["run", "--ros"], "ros"),
        (["run", "--fusion", "neural", "--scene", "planes"], "neural"),
    ],
)
def test_the_plain_installation_names_the_extra_for_the_rest(words, extra):
    result = plain(*words)
    assert result.returncode == 2
    assert f"pip install '.[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_citation_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == aif_ros.__version__
    assert citation["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_pre_commit_runs_tools_that_the_environment_holds():
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in configuration["repos"] for hook in repository["hooks"]]
    assert {hook["id"] for hook in hooks} >= {"ruff", "ruff-format", "mypy"}
    tools = {re.search(r"\.venv/bin/(\S+)", hook["entry"])[1] for hook in hooks}
    for tool in tools:
        assert (Path(sys.executable).parent / tool).exists(), tool


def test_editors_use_the_line_length_of_the_linter():
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + (ROOT / ".editorconfig").read_text())
    assert parser["top"]["root"] == "true"
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert parser["*"].getint("max_line_length") == ruff["line-length"]


def test_package_xml_agrees_with_the_package():
    root = package_xml()
    assert root.findtext("version") == aif_ros.__version__
    assert root.findtext("license") == "Apache-2.0"
    # colcon takes a package with a malformed address for plain Python, without a word.
    assert re.fullmatch(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", root.find("maintainer").get("email"))
    keys = [element.text for element in root.iter("exec_depend")]
    assert len(keys) == len(set(keys))


def test_requirements_are_pinned_and_equal_on_both_distributions():
    files = [path.name for path in ROOT.glob("requirements*.txt")]
    for name in files:
        for line in requirements(name):
            assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"{name}: {line} is not pinned"

    def wheels(name, distribution):
        return {line.split("==")[0].replace(distribution, "") for line in requirements(name)}

    assert wheels("requirements.txt", "jazzy") == wheels("requirements-kilted.txt", "kilted")


@pytest.mark.parametrize(
    "script",
    ["scripts/demo", "scripts/test", "scripts/test-launch", "scripts/environment", ".ci/run"],
)
def test_scripts_are_executable_bash(script):
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def test_import_rules(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    # It configures logging for a program of its own, which disables the loggers of this one.
    monkeypatch.setattr("importlinter.cli._configure_logging", lambda verbose: None)
    assert lint_imports(no_cache=True) == 0, capsys.readouterr().out


ROS_PACKAGE = re.compile(r"ament\w*|launch\w*|rcl\w*|ros\w*|tf2\w*|\w+_msgs|\w+_srvs|cv_bridge")


def test_the_import_rules_name_each_ros_package_in_use():
    """A package that they do not name could be imported everywhere."""
    used = {
        found[1]
        for room in ("aif_ros/nodes", "aif_ros/bringup", "launch")
        for path in (ROOT / room).rglob("*.py")
        for found in re.finditer(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        if ROS_PACKAGE.fullmatch(found[1])
    }
    assert {"rclpy", "std_msgs"} <= used
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    forbidden = [
        set(each["forbidden_modules"]) for each in rules["contracts"] if "ROS" in each["name"]
    ]
    assert len(forbidden) == 2
    for modules in forbidden:
        assert used <= modules


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The package's wheel, built from a copy so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("aif_ros", "config", "launch", "resource"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "setup.py",
        "setup.cfg",
        "package.xml",
        "README.md",
        "LICENSE",
        "requirements.txt",
    ):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next((folder / "dist").glob("*.whl"))) as archive:
        yield archive


def test_wheel_holds_every_file_the_package_needs(wheel):
    names = wheel.namelist()
    for path in (ROOT / "aif_ros").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert str(path.relative_to(ROOT)) in names
    shared = {name.partition("/data/share/")[2] for name in names}
    assert "ament_index/resource_index/packages/aif_ros" in shared
    assert "aif_ros/package.xml" in shared
    for folder in ("config", "launch"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                assert f"aif_ros/{path.relative_to(ROOT)}" in shared


def test_every_node_has_an_executable(wheel):
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    scripts = wheel.read(name).decode().splitlines()
    nodes = [line for line in scripts if "aif_ros.nodes" in line]
    assert nodes == [
        f"{node} = aif_ros.nodes.start:{node}"
        for node in (
            "autofocus_node",
            "camera_node",
            "focus_controller_node",
            "fusion_node",
            "lens_node",
            "sim_camera_node",
        )
    ]
    assert "aif = aif_ros.__main__:main" in scripts


@pytest.mark.parametrize("name", ["requirements", "requirements-kilted", "requirements-test"])
def test_the_locked_versions_are_those_required(name):
    """Run scripts/lock after a change of the requirements."""
    files = [f"{name}.txt"] if name.endswith("test") else [f"{name}.txt", "requirements-core.txt"]
    required = {
        line.lower()
        for file in files
        for line in (ROOT / file).read_text().splitlines()
        if "==" in line and not line.startswith(("#", "torch==", "pytorch-optimizer=="))
    }
    text = (ROOT / f"{name}.lock").read_text().lower()
    locked = re.findall(r"^([\w.\-\[\]]+==[^\s;]+)[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE)
    assert required - set(locked) == set()


@pytest.mark.parametrize(
    "path",
    sorted(set((ROOT / "aif_ros" / "nodes").glob("*.py")) - {ROOT / "aif_ros/nodes/topics.py"}),
    ids=lambda path: path.name,
)
def test_nodes_are_small(path):
    """A node only decodes, calls a step and encodes; what else it needs has a module of its own."""
    assert len(path.read_text().splitlines()) < 200


def test_no_state_is_read_out_of_diagnostics():
    """They are for people; programs have topics of their own."""
    readers = {
        path.name
        for path in (ROOT / "aif_ros").rglob("*.py")
        if re.search(r"create_subscription\(\s*DiagnosticArray", path.read_text())
    }
    # Metadata of camera drivers of others, and what the live page shows to people.
    assert readers == {"frame_metadata.py", "live_view.py"}


def test_no_module_needs_one_that_needs_it():
    """Imports for types count, too: those that the import rules leave out."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "aif_ros").rglob("*.py")
    }
    needs = {}
    for module, path in paths.items():
        named = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                named |= {each.name for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for each in node.names:
                    full = f"{node.module}.{each.name}"
                    named.add(full if full in paths else node.module)
        needs[module] = named & paths.keys() - {module}
    graphlib.TopologicalSorter(needs).prepare()


def test_every_shipped_file_has_a_licence_line():
    entries = tomllib.loads((ROOT / "REUSE.toml").read_text())["annotations"]
    assert entries[0]["path"] == "**"
    for entry in entries:
        assert entry["SPDX-License-Identifier"]
        assert entry["SPDX-FileCopyrightText"]
        paths = entry["path"] if isinstance(entry["path"], list) else [entry["path"]]
        for path in paths:
            assert any(ROOT.glob(path)), f"{path} is not there any more"


def test_every_weight_file_has_a_card_that_names_its_data():
    weights = sorted((ROOT / "aif_ros" / "weights").glob("*.safetensors"))
    assert weights
    for path in weights:
        card = path.with_suffix(".md").read_text()
        assert re.search(r"^## (Trained on|Data)", card, re.MULTILINE), path.name
