"""The command line: help without heavy imports, one clear line for errors, quiet interrupts."""

import signal
import subprocess
import sys
import types
from dataclasses import dataclass
from typing import Annotated

import pytest
from typing_extensions import Doc

from aif_ros import __main__ as main_module
from aif_ros.cli import CommandError, write_json
from aif_ros.settings.declaration import Limits, OneOf
from aif_ros.types.image import ImageError


@dataclass(frozen=True)
class Try:
    times: int = 1
    start: float | None = None
    range: tuple[float, float] | None = None
    kind: Annotated[str, OneOf(("plain", "fancy")), Doc("A kind.")] = "plain"
    size: Annotated[int, Limits(1, 10), Doc("A size.")] = 1
    no_align: bool = False


@pytest.fixture
def command(monkeypatch):
    """Make `aif try` a command that does what the test wants."""

    def make(run):
        module = types.ModuleType("aif_ros.cli.try")
        module.Arguments = Try
        module.run = run
        run.__module__ = module.__name__
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(
            main_module,
            "list_commands",
            lambda package="aif_ros.cli": (
                {"try": "Try it.\n\nAnd again."} if package == "aif_ros.cli" else {}
            ),
        )

    return make


def test_every_command_explains_itself(capsys):
    def check(package, words):
        for name, docstring in main_module.list_commands(package).items():
            assert docstring, f"aif {' '.join(words)} {name} has no docstring"
            names = [*words, name]
            assert main_module.main([*names, "--help"]) == 0
            assert docstring.splitlines()[0] in " ".join(capsys.readouterr().out.split())
            check(f"{package}.{name.replace('-', '_')}", names)

    check("aif_ros.cli", [])


@pytest.mark.parametrize("words", [[], ["run"], ["demo"], ["stack"], ["train", "policy"]])
def test_help_answers_without_heavy_imports(words):
    code = (
        "import sys\nfrom aif_ros.__main__ import main\n"
        "main([*sys.argv[1:], '--help'])\n"
        "print(sorted({'torch', 'cv2', 'numpy', 'rclpy'} & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert output.stdout.splitlines()[-1] == "[]"


def test_arguments_reach_the_command_and_its_exit_code_returns(command):
    command(lambda args: args.times)
    assert main_module.main(["try", "--times", "3"]) == 3


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ImageError("the image is empty"), "aif try: error: the image is empty"),
        (CommandError("no stack given"), "aif try: error: no stack given"),
        (FileNotFoundError(2, "No such file or directory", "x.png"), "x.png: No such file"),
        (
            MemoryError("unable to allocate\n2 GB"),
            "error: not enough memory: unable to allocate 2 GB",
        ),
    ],
)
def test_known_errors_are_one_line_and_exit_code_2(command, capsys, error, line):
    def run(args):
        raise error

    command(run)
    assert main_module.main(["try"]) == 2
    stderr = capsys.readouterr().err
    assert line in stderr
    assert len(stderr.splitlines()) == 1


def test_defects_keep_their_traceback(command):
    def run(args):
        raise ZeroDivisionError

    command(run)
    with pytest.raises(ZeroDivisionError):
        main_module.main(["try"])


def test_ctrl_c_is_no_failure(command, capsys):
    def run(args):
        raise KeyboardInterrupt

    command(run)
    assert main_module.main(["try"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "start", "lens_range"),
    [
        (["--start", "-3.8e-3"], -3.8e-3, None),
        (["--start=-1e-4"], -1e-4, None),
        (["--range", "-4e-3", "-3.8e-3", "--start", "-.5E-4"], -0.5e-4, (-4e-3, -3.8e-3)),
    ],
)
def test_negative_numbers_are_values_in_any_notation(command, words, start, lens_range):
    seen = []
    command(lambda args: seen.append((args.start, args.range)) or 0)
    assert main_module.main(["try", *words]) == 0
    assert seen == [(start, lens_range)]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["foucs"], "aif: error: there is no command 'foucs': choose from try"),
        ([], "aif: error: a command is missing: choose from try"),
        (["try", "--times", "1.5"], "aif try: error: "),
        (["try", "--start", "far"], "aif try: error: "),
        (["try", "--start", "nan"], "aif try: error: --start must be a finite number"),
        (["try", "--range", "1"], "aif try: error: "),
        (["try", "--kind", "odd"], "aif try: error: --kind must be one of plain, fancy; got 'odd'"),
        (["try", "--size", "11"], "aif try: error: --size must lie between 1 and 10; got 11"),
        (["try", "--no-such-option"], "no-such-option"),
        (["try", "--no-align", "3"], "3"),
    ],
)
def test_wrong_words_are_one_line_and_exit_code_2(command, capsys, words, problem):
    command(lambda args: 0)
    assert main_module.main(words) == 2
    stderr = capsys.readouterr().err
    assert problem in stderr
    assert len(stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["stack", "a.png"],
            "aif stack: error: give a file or folder to write to (-o): see --help",
        ),
        (
            ["stack"],
            "aif stack: error: give the slices of the stack, or their folder and a file or folder "
            "to write to (-o): see --help",
        ),
        (
            ["autofocus"],
            "aif autofocus: error: name what to focus: a scene, the folder of a stack, or --camera "
            "and --lens",
        ),
        (["train", "blur"], "aif train blur: error: --photos DIR is missing: see --help"),
    ],
)
def test_what_is_missing_is_named_without_its_help_text(words, line, capsys):
    assert main_module.main(words) == 2
    assert capsys.readouterr().err.splitlines() == [line]


def test_an_option_is_named_as_it_is_typed(capsys):
    assert main_module.main(["demo", "--with", "nothing"]) == 2
    assert "error: --with must be one of processes, launch" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["rclpy", "diagnostic_msgs", "lifecycle_msgs.srv"])
def test_a_package_that_is_not_installed_names_its_extra(package, command, capsys):
    def run(args):
        raise ModuleNotFoundError(f"No module named '{package}'", name=package)

    command(run)
    assert main_module.main(["try"]) == 2
    assert "pip install '.[ros]'" in capsys.readouterr().err


def test_json_goes_to_a_file_or_to_standard_output(tmp_path, capsys):
    write_json({"psnr": 1.5}, str(tmp_path / "new" / "result.json"))
    assert (tmp_path / "new" / "result.json").read_text() == '{\n  "psnr": 1.5\n}\n'
    write_json({"psnr": 1.5}, "-")
    assert capsys.readouterr().out == '{\n  "psnr": 1.5\n}\n'
    write_json({"psnr": 1.5}, None)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"psnr": float("nan")}, "-")


@pytest.mark.parametrize("replaced", [False, True])
def test_an_interrupt_that_an_import_replaces_is_still_one(command, replaced):
    def run(args):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as interrupt:
            raise ImportError("numpy cannot be imported because ...") from (
                interrupt if replaced else None
            )

    command(run)
    assert main_module.main(["try"]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_end_a_command_quietly(number):
    program = """
import os, signal, sys
from aif_ros import __main__

def run(command):
    os.kill(os.getpid(), int(sys.argv[1]))
    signal.pause()

__main__._run = run
sys.exit(__main__.main())
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(int(number))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")
