"""Score and report of a small made-up run."""

import json
import re

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from aif_ros.benchmarks.comparison import FULL_SWEEP, ComparedRun
from aif_ros.benchmarks.coverage import CoverageReference
from aif_ros.benchmarks.figures import distance_picture, error_picture
from aif_ros.benchmarks.report import write_report
from aif_ros.benchmarks.report_pictures import coverage_picture, crop_windows
from aif_ros.benchmarks.score import score
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.recording import LoopRecording, RecordedFrame
from aif_ros.types.frame import LensState, Window
from aif_ros.types.image import ImageError, to_uint8

SHAPE = (40, 60)
LENS = LensModel("test lens", 1e-6, (0.0, 1e-3), 9e4, 3840)


@pytest.fixture
def truth():
    return np.random.default_rng(3).random((*SHAPE, 3), dtype=np.float32)


@pytest.fixture
def recording(truth):
    """Three frames; J gets better each time, and the second frame is the best single one."""

    def frame(index, frame_error, fused_error):
        return RecordedFrame(
            stamp=1_000_000_000 + index * 500_000_000,
            position=index * 4e-4,
            image=to_uint8(truth * (1 - frame_error)),
            fused=to_uint8(truth * (1 - fused_error)),
            distance=np.array([[0.0, np.nan], [1e-4, 5e-4]], np.float32),
            fused_distance=np.array([[0.0, np.nan], [0.0, 1e-4]], np.float32),
            in_focus=np.array([[0.9, np.nan], [0.4, 0.0]], np.float32),
            fused_in_focus=np.array([[0.9, np.nan], [0.9, 0.4]], np.float32),
            window=Window(0, 0, 30, 20) if index < 2 else None,
            reason="the top left is blurred <most>",
        )

    frames = [frame(0, 0.5, 0.5), frame(1, 0.2, 0.1), frame(2, 0.4, 0.01)]
    track = [LensState(frame.stamp, frame.position, False) for frame in frames]
    return LoopRecording("a <scene>", "rule_based", LENS, frames, track, "nothing left to gain")


def test_score_follows_the_fused_image_and_finds_the_best_frame(recording, truth):
    scored = score(recording, truth)
    assert scored.best_frame == 1
    assert list(scored.fused_psnr) == sorted(scored.fused_psnr)
    assert scored.psnr == scored.fused_psnr[-1] > max(scored.frame_psnr) + 20
    assert 0.99 < scored.ssim <= 1


def test_breathing_is_removed_before_frames_are_compared(recording, truth):
    breathing = LensModel("breathing", 1e-6, (0.0, 1e-3), 9e4, 3840, breathing_per_metre=100.0)
    changed = LoopRecording("s", "a", breathing, recording.frames, [], "end")
    # The first frame, at position 0, is magnified by 1.1; the last one, at 0.8 mm, by 1.02.
    before, after = score(recording, truth).frame_psnr, score(changed, truth).frame_psnr
    assert after[0] < before[0]
    assert after[2] != before[2]


def test_truth_of_another_size_is_refused(recording, truth):
    with pytest.raises(ImageError, match="cannot compare"):
        score(recording, truth[:-1])


def test_report_is_complete(recording, truth, tmp_path):
    folder = tmp_path / "new" / "demo"
    summary = write_report(recording, truth, folder)
    assert json.loads((folder / "result.json").read_text()) == summary
    assert summary["frames_captured"] == 3
    assert summary["seconds"] == 1.0
    assert summary["psnr"] > summary["best_single_frame_psnr"] + 20
    assert (summary["agent"], summary["scene"]) == ("rule_based", "a <scene>")
    for name in ("first_frame", "all_in_focus", "ground_truth"):
        with PillowImage.open(folder / f"{name}.png") as picture:
            assert picture.size == SHAPE[::-1]
    with PillowImage.open(folder / "all_in_focus.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), recording.frames[-1].fused)
    with PillowImage.open(folder / "loop.webp") as animation:
        assert animation.n_frames == 3


def test_the_fused_image_is_written_whatever_else_fails(recording, truth, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr("aif_ros.benchmarks.report.figures.save_animation", fail)
    with pytest.raises(OSError, match="no space"):
        write_report(recording, truth, tmp_path)
    with PillowImage.open(tmp_path / "all_in_focus.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), recording.frames[-1].fused)


def test_report_is_self_contained_and_escaped(recording, truth, tmp_path):
    write_report(recording, truth, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "&lt;most&gt;" in html
    assert "<most>" not in html
    assert html.count("<svg") == 3


def test_other_runs_are_compared_with_this_one(recording, truth, tmp_path):
    # A full sweep that is sharp, and another run that is blurred.
    others = [
        ComparedRun(FULL_SWEEP, truth, 13, 2.0),
        ComparedRun("Classical preset", cv2.blur(truth, (9, 9)), 7, 1.0),
    ]
    summary = write_report(recording, truth, tmp_path, others)
    names = [row["name"] for row in summary["comparison"]]
    assert names == ["This run", "Full sweep", "Classical preset"]
    assert summary["covered"] == 1.0
    assert [row["covered"] for row in summary["comparison"]] == [1.0, 1.0, 0.0]
    html = (tmp_path / "report.html").read_text()
    assert "Covered tiles of the fused image" in html
    assert "Classical preset" in html


class TestCropWindows:
    def test_lie_where_images_differ_and_do_not_overlap(self):
        first = np.full((200, 320), 0.5, np.float32)
        fused, truth = first.copy(), first.copy()
        fused[20:40, 40:60] = truth[20:40, 40:60] = 1.0
        truth[150:170, 260:280] = 0.0
        windows = crop_windows(first, fused, truth)
        assert len(windows) == 4
        assert windows[0].x <= 40 and windows[0].x + windows[0].width >= 60
        assert windows[2].x <= 260 and windows[2].y + windows[2].height >= 170
        taken = np.zeros(first.shape, int)
        for each in windows:
            taken[each.y : each.y + each.height, each.x : each.x + each.width] += 1
        assert taken.max() == 1

    def test_a_small_image_has_fewer(self):
        image = np.zeros((20, 20), np.float32)
        assert len(crop_windows(image, image + 0.1, None)) == 1


def test_coverage_is_shown_by_colour():
    image = np.random.default_rng(0).random((64, 96, 3), dtype=np.float32)
    reference = CoverageReference.of(image, image)
    blurred = image.copy()
    blurred[:, 32:64] = cv2.blur(image, (9, 9))[:, 32:64]
    picture = coverage_picture(blurred, reference).astype(int)
    assert picture[:, :32, 1].mean() > picture[:, :32, 0].mean()
    assert picture[:, 32:64, 0].mean() > picture[:, 32:64, 1].mean()


def test_report_without_truth_gives_no_scores(recording, tmp_path):
    summary = write_report(recording, None, tmp_path)
    assert summary["psnr"] is None
    assert not (tmp_path / "ground_truth.png").exists()
    assert "PSNR" not in (tmp_path / "report.html").read_text()


def test_mono_and_16_bit_runs_are_shown(recording, truth, tmp_path):
    frames = [
        RecordedFrame(
            **{
                **frame.__dict__,
                "image": frame.image[..., 0].astype(np.uint16) * 257,
                "fused": frame.fused[..., 0].astype(np.uint16) * 257,
            }
        )
        for frame in recording.frames
    ]
    mono = LoopRecording("mono", "sweep", LENS, frames, [], "end")
    assert write_report(mono, truth[..., 0], tmp_path)["psnr"] > 30


def test_distance_picture_keeps_the_unknown_grey():
    image = np.full((20, 40), 0.5, np.float32)
    picture = distance_picture(image, np.array([[0.0, np.nan]], np.float32), 1e-3)
    known, unknown = picture[5, 5].astype(int), picture[5, 35].astype(int)
    assert np.ptp(unknown) == 0
    assert known[1] > known[0] + 40  # green: in focus


def test_error_picture_is_black_where_nothing_differs(truth):
    changed = truth.copy()
    changed[:10] = 1 - changed[:10]
    picture = error_picture(changed, truth)
    assert picture[20:].max() < 10
    assert picture[:10].mean() > 100
