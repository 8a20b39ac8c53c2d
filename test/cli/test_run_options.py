"""Options of `aif run` that would have no effect are refused, in each way of running."""

import pytest

from aif_ros.__main__ import main
from aif_ros.cli.run import Arguments
from aif_ros.settings.declaration import declared

WAYS = {"library": [], "one process": ["--one-process"], "processes": ["--ros"]}
ALL = tuple(WAYS)
NODES = ("one process", "processes")
LIBRARY = ("library",)
# In which ways each option has an effect, and a value for it.
OPTIONS = {
    "preset": (ALL, "classical"),
    "camera": (ALL, "simulated"),
    "lens": (ALL, "simulated"),
    "scene": (ALL, "planes"),
    "device": (ALL, "cpu"),
    "calibration": (ALL, "lens.yaml"),
    "agent": (ALL, "sweep"),
    "fusion": (ALL, "pyramid"),
    "estimator": (ALL, "gradient_ratio"),
    "search": (NODES, "fibonacci"),
    "mode": (ALL, "dynamic"),
    "width": (ALL, "320"),
    "bits_per_sample": (ALL, "12"),
    "save_path": (ALL, "sharp.png"),
    "params_file": (NODES, "my.yaml"),
    "namespace": (NODES, "left"),
    "forever": (NODES, None),
    "exposure_time": (LIBRARY, "0.02"),
    "focus_map": (LIBRARY, "focus.tif"),
    "depth_map": (LIBRARY, "depth.tif"),
    "channel": (LIBRARY, "0"),
    "time": (LIBRARY, "0"),
    "series": (LIBRARY, "0"),
    # Also the value that holds without it.
    "timeout": (NODES, "300"),
    "json": (ALL, "-"),
}
RESULT = {"frames_captured": 0, "seconds": 0.0, "reason": "ended"}
STACK = ["--camera", "stack", "--scene", "stack"]
KINDS = {
    "simulated": [],
    "stack": STACK,
    "device": ["--camera", "0", "--lens", "moonlite:/dev/ttyUSB0"],
    "external": ["--camera", "external", "--lens", "external"],
}
# Options that not all kinds of cameras have.
CAMERAS = {
    "width": ("simulated",),
    "bits_per_sample": ("stack", "device", "external"),
    "channel": ("stack",),
    "time": ("stack",),
    "series": ("stack",),
}


@pytest.fixture(autouse=True)
def runs(monkeypatch, tmp_path):
    """Runs that pass the checks; nothing is run."""
    found = []

    def note(*arguments):
        found.append(arguments)
        return RESULT

    from aif_ros.cli import _run_graph, _run_library

    monkeypatch.setattr(_run_graph, "run_graph", note)
    monkeypatch.setattr(_run_library, "run_library", note)
    monkeypatch.chdir(tmp_path)
    return found


def words(name, value):
    option = f"--{name.replace('_', '-')}"
    return [option] if value is None else [option, value]


def test_every_option_is_tested():
    assert {each.name for each in declared(Arguments)} == {*OPTIONS, "ros", "one_process"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_has_an_effect_or_is_refused(runs, capsys, way, name):
    ways, value = OPTIONS[name]
    kind = STACK if "simulated" not in CAMERAS.get(name, ("simulated",)) else []
    code = main(["run", *WAYS[way], *kind, *words(name, value)])
    said = capsys.readouterr().err
    assert bool(runs) == (way in ways), said
    if way not in ways:
        assert code == 2
        needs = "needs ROS: add --ros" if ways == NODES else "is for runs without ROS: "
        assert f"{words(name, value)[0]} {needs}" in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CAMERAS)
def test_an_option_that_a_camera_does_not_have_is_refused(runs, capsys, kind, name):
    way = "library" if OPTIONS[name][0] == LIBRARY or kind != "external" else "processes"
    main(["run", *WAYS[way], *KINDS[kind], *words(name, OPTIONS[name][1])])
    said = capsys.readouterr().err
    refused = f"{words(name, '')[0]} has no effect on the images of" in said
    assert refused == (kind not in CAMERAS[name])
    assert bool(runs) == (not refused)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ros", "--one-process"], "--ros and --one-process are two ways of running"),
        (["--ros", "--forever", "--timeout", "5"], "--timeout has no effect with --forever"),
    ],
)
def test_options_that_exclude_each_other(runs, capsys, options, message):
    assert main(["run", *options]) == 2
    assert message in capsys.readouterr().err
    assert not runs
