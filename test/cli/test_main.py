"""The command line: help without heavy imports, one clear line for errors, quiet interrupts."""

import subprocess
import sys
import threading
import types

import pytest

from aif_ros import __main__ as main_module
from aif_ros.cli import CommandError, write_json
from aif_ros.types.image import ImageError


@pytest.fixture
def command(monkeypatch):
    """Make `aif try` a command that does what the test wants."""

    def make(run):
        module = types.ModuleType("aif_ros.cli.try")
        module.add_arguments = lambda parser: parser.add_argument("--times", type=int, default=1)
        module.run = run
        run.__module__ = module.__name__
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(
            main_module, "_find_commands", lambda package: {"try": "Try it.\n\nAnd again."}
        )

    return make


def test_every_command_explains_itself(capsys):
    def check(package, words):
        for name, docstring in main_module._find_commands(package).items():
            assert docstring, f"aif {' '.join(words)} {name} has no docstring"
            names = [*words, name.replace("_", "-")]
            with pytest.raises(SystemExit) as exit_:
                main_module.main([*names, "--help"])
            assert exit_.value.code == 0
            assert docstring.splitlines()[0] in " ".join(capsys.readouterr().out.split())
            check(f"{package}.{name}", names)

    check("aif_ros.cli", [])


def test_help_answers_without_heavy_imports():
    code = (
        "import sys\nfrom aif_ros.__main__ import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'cv2', 'numpy', 'rclpy'} & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
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


def test_unknown_command_names_the_known_ones(capsys):
    with pytest.raises(SystemExit) as exit_:
        main_module.main(["foucs"])
    assert exit_.value.code == 2
    assert "benchmark" in capsys.readouterr().err


def test_json_goes_to_a_file_or_to_standard_output(tmp_path, capsys):
    write_json({"psnr": 1.5}, str(tmp_path / "new" / "result.json"))
    assert (tmp_path / "new" / "result.json").read_text() == '{\n  "psnr": 1.5\n}\n'
    write_json({"psnr": 1.5}, "-")
    assert capsys.readouterr().out == '{\n  "psnr": 1.5\n}\n'
    write_json({"psnr": 1.5}, None)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"psnr": float("nan")}, "-")


def test_an_interrupt_within_a_destructor_is_not_lost(command, capsys):
    class Unlucky:
        def __del__(self):
            raise KeyboardInterrupt

    def run(args):
        Unlucky()
        threading.Event().wait(30)  # ended by the interrupt
        return 1

    command(run)
    assert main_module.main(["try"]) == 0
    assert "Traceback" not in capsys.readouterr().err
