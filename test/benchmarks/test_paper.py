"""The paper's tables, figures and demonstrations."""

import json

import cv2
import numpy as np
import pytest
from training_data import write_photos

from aif_ros.__main__ import main
from aif_ros.benchmarks import paper
from aif_ros.benchmarks.control_episode import RigSettings
from aif_ros.defocus.estimators import make_estimator
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.photos import read_photo
from aif_ros.simulation.scenes.open_scene import open_scene


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = write_photos(tmp_path_factory.mktemp("data") / "photos", to_train=1, size=700)
    return [read_photo(path) for path in sorted(folder.iterdir())]


def test_table_1_has_every_search_and_start(photos) -> None:
    table = paper.table_1(photos, 1, 0)
    assert list(table) == list(paper.STARTS)
    for rows in table.values():
        assert set(rows) == set(paper.SEARCHES)
        assert all(row["images_mean"] >= 1 for row in rows.values())


def test_figure_2_gets_blurrier_to_the_right(photos, tmp_path) -> None:
    paper.save_figure_2(photos[0], tmp_path / "figure_2.png")
    picture = cv2.imread(str(tmp_path / "figure_2.png"), cv2.IMREAD_GRAYSCALE)
    sharpness = [
        float(np.abs(np.diff(part[60:-20, 20:-20].astype(float), axis=1)).mean())
        for part in np.array_split(picture, 5, axis=1)
    ]
    assert sharpness == sorted(sharpness, reverse=True)


def test_demonstration_draws_figure_4_of_each_agent(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(paper, "AGENTS", ("sweep", "rule_based"))
    lens = LensModel.load(DEFAULT_CALIBRATION)
    rig = RigSettings(
        lens, make_estimator("gradient_ratio", lens), lambda moving: make_fuser("laplacian")
    )
    scene = open_scene("planes", lens, 160)
    figures = paper.demonstrate(scene, rig, lens.limits[0], None, tmp_path)
    assert set(figures) == {"sweep", "rule_based"}
    assert figures["sweep"]["frames"] > 1
    for name in figures:
        assert cv2.imread(str(tmp_path / f"figure_4_static_{name}.png")) is not None


def test_command_writes_tables_and_json(tmp_path, monkeypatch, capsys) -> None:
    row = {"images_mean": 2.5, "images_p95": 4.0, "success_rate": 1.0}
    times = {"median": 1.25, "p99": 2.0}
    table = {start: dict.fromkeys(paper.SEARCHES, row) for start in paper.STARTS}
    shown = {"frames": 7, "psnr": 30.0, "in_focus_share": 0.9, "hunting_rate": 0.0, "reason": "end"}
    monkeypatch.setattr(paper, "table_1", lambda *_: table)
    monkeypatch.setattr(paper, "table_2", lambda _: {name: times for name in paper.SEARCHES})
    monkeypatch.setattr(paper, "demonstrate", lambda *_: dict.fromkeys(paper.AGENTS, shown))
    assert main(["reproduce", "--save", str(tmp_path)]) == 0
    tables = (tmp_path / "tables.md").read_text()
    assert tables in capsys.readouterr().out
    assert "| neural | 2.50 (95 %: 4); 100 % succeed |" in tables
    assert "| fibonacci | 1.25 | 2.00 |" in tables
    assert json.loads((tmp_path / "result.json").read_text())["dynamic"]["paper"] == shown
    assert (tmp_path / "figure_2.png").is_file()


def test_interruption_keeps_the_parts_that_are_done(tmp_path, monkeypatch) -> None:
    times = {"median": 1.25, "p99": 2.0}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(paper, "table_2", lambda _: {name: times for name in paper.SEARCHES})
    monkeypatch.setattr(paper, "demonstrate", interrupted)
    main(["reproduce", "--save", str(tmp_path)])
    assert json.loads((tmp_path / "result.json").read_text())["table_2"]["neural"] == times
    tables = (tmp_path / "tables.md").read_text()
    assert "Table 2" in tables and "Table 1" not in tables


def test_photos_that_are_too_small_are_refused(tmp_path, capsys) -> None:
    photos = write_photos(tmp_path / "photos", size=200)
    assert main(["reproduce", "--photos", str(photos), "--save", str(tmp_path / "out")]) == 2
    assert "at least 512 px" in capsys.readouterr().err
