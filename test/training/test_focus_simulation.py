import numpy as np

from aif_ros.control.expected_error import detail_error
from aif_ros.control.sweep import sweep_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.training.focus_simulation import FocusSimulation
from aif_ros.training.focus_task import Task

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)


def simulation(**settings):
    return FocusSimulation(LENS, 640, 12, Task(**settings), seed=3)


class TestStillScenes:
    def test_a_sweep_brings_everything_into_focus(self):
        scenes = simulation()
        for position in sweep_positions(LENS, 640):
            scenes.step(np.full(12, np.abs(scenes.positions - position).argmin()))
        # Half the candidates' spacing comes on top of the depth of field.
        assert scenes.fused_radius.max() <= 1.0 + 0.25 + 1e-6

    def test_the_reward_is_coverage_less_the_costs_of_frame_and_travel(self):
        scenes = simulation(frame_cost=0.25, travel_cost=0.1)
        left, start = 1 - scenes.covered(), scenes.readings.position
        _, reward, _ = scenes.step(np.full(12, 20))
        gain = np.log((left + 0.003) / (1 - scenes.covered() + 0.003))
        travel = np.abs(scenes.positions[20] - start) / 1.5e-3
        np.testing.assert_allclose(reward, gain - 0.25 - 0.1 * travel)

    def test_a_sweep_covers_everything(self):
        scenes = simulation()
        assert scenes.covered().max() < 1
        for position in sweep_positions(LENS, 640):
            scenes.step(np.full(12, np.abs(scenes.positions - position).argmin()))
        np.testing.assert_array_equal(scenes.covered(), 1)

    def test_what_is_sharp_hides_what_is_blurred_beside_it(self):
        scenes = simulation()
        blur = np.broadcast_to([0.3, 0.3, 12.0, 12.0], scenes.focus_positions.shape)
        assert np.median(scenes._cells.apparent_blur(blur)) < 1.5

    def test_another_frame_never_blurs(self):
        scenes = simulation(frame_cost=0.0, travel_cost=0.0)
        rewards = [scenes.step(np.full(12, index))[1] for index in (5, 40, 12)]
        assert np.min(rewards) >= 0

    def test_stopping_ends_it_without_a_frame(self):
        scenes = simulation()
        frames, focus = scenes.frames.copy(), scenes.fused_radius
        _, reward, done = scenes.step(np.full(12, len(scenes.positions)))
        assert done.all()
        assert (reward == 0).all()
        np.testing.assert_array_equal(scenes.frames, frames)
        np.testing.assert_array_equal(scenes.fused_radius, focus)

    def test_the_frame_limit_ends_it(self):
        scenes = simulation(frame_limit=3)
        assert not scenes.step(np.zeros(12, int))[2].any()
        assert scenes.step(np.ones(12, int))[2].all()

    def test_readings_come_near_the_truth_where_there_is_texture(self):
        scenes = FocusSimulation(LENS, 640, 200, seed=4)
        error = scenes.readings.fused_radius - scenes.fused_radius
        assert np.nanmedian(np.abs(error)) < 1.5
        assert np.isnan(scenes.readings.radius[~scenes.visible]).all()

    def test_sources_are_mostly_the_nearest_frame(self):
        scenes = FocusSimulation(LENS, 640, 50, seed=4)
        taken = [scenes.readings.position]
        for index in (0, 14, 28, 42):
            scenes.step(np.full(50, index))
            taken.append(scenes.readings.position)
        away = np.abs(scenes.focus_positions[None] - np.array(taken)[:, :, None, None])
        excess = np.abs(scenes.focus_positions - scenes.readings.source) - away.min(axis=0)
        assert (excess < 0.5 * scenes.half_depth_of_focus).mean() > 0.85
        assert (excess > scenes.half_depth_of_focus).mean() > 0.005

    def test_the_contrast_of_j_gives_its_detail(self):
        scenes = FocusSimulation(LENS, 640, 50, seed=4)
        detail = detail_error(scenes.readings.fused_contrast, scenes.fused_radius)
        right = np.log(detail) - np.log(scenes._cells.detail)
        assert 0.3 < right.std() < 0.7
        assert np.log(scenes._cells.detail).std() > 1

    def test_some_cells_are_always_misread(self):
        scenes = FocusSimulation(LENS, 640, 200, seed=4)
        radii = []
        for index in (0, 14, 28, 42):
            scenes.step(np.full(200, index))
            radii.append(scenes.readings.radius)
        # Wherever the lens stands, they look equally blurred.
        constant = (np.std(radii, axis=0) < 0.25 * np.mean(radii, axis=0)).mean(axis=1)
        assert (constant > 0.1).mean() > 0.15
        assert (constant < 0.03).mean() > 0.4


class TestMovingScenes:
    def test_last_as_long_as_the_horizon_whatever_is_done(self):
        scenes = simulation(dynamic=True, horizon=0.5)
        for _ in range(100):
            if scenes.step(np.full(12, len(scenes.positions)))[2].all():
                break
        assert (scenes.seconds >= 0.5).all()
        assert (scenes.seconds < 0.6).all()

    def test_long_moves_take_long(self):
        scenes = simulation(dynamic=True)
        scenes.step(np.zeros(12, int))
        before = scenes.seconds.copy()
        scenes.step(np.full(12, len(scenes.positions) - 1))
        # 1.5 mm at 5 mm/s and 20 ms to settle: ten frame periods.
        np.testing.assert_allclose(scenes.seconds - before, 10 / 30)

    def test_j_counts_at_every_frame_period(self):
        scenes = simulation(dynamic=True, lens_speed=20e-3)
        _, reward, _ = scenes.step(np.full(12, len(scenes.positions)))
        assert (scenes.periods == 1).all()
        fair = scenes.quality() - 10 * reward
        # Differences of scenes, not of what is done.
        _, reward, _ = scenes.step(np.full(12, len(scenes.positions)))
        np.testing.assert_allclose(fair + 10 * reward, scenes.quality())
        there = np.abs(scenes.positions - scenes.readings.position[:, None]).argmax(axis=1)
        _, reward, _ = scenes.step(there)
        assert (scenes.periods > 1).all()
        shown = fair + 10 * reward / scenes.periods
        np.testing.assert_allclose(shown, scenes.shown)
        # The new frame counts in the last of the periods alone.
        assert (np.abs(shown - scenes.quality()) > 0.1).mean() > 0.5

    def test_what_a_slow_lens_passes_is_fused_and_shown(self):
        scenes = simulation(dynamic=True)
        start = scenes.readings.position.copy()
        _, _, _ = scenes.step(np.where(start < 0.75e-3, len(scenes.positions) - 1, 0))
        assert len(scenes.passed) >= 3
        seconds = 0.0
        for seen, which in scenes.passed:
            gone = np.abs(seen.position - start)
            np.testing.assert_allclose(gone[which], 5e-3 * seen.seconds[which], rtol=1e-6)
            assert (seen.seconds[which] > seconds).all()
            seconds = seen.seconds[which].min()
        assert (scenes.frames == 2 + sum(which for _, which in scenes.passed)).all()

    def test_what_a_fast_lens_passes_is_not(self):
        scenes = simulation(dynamic=True, lens_speed=20e-3)
        scenes.step(np.zeros(12, int))
        assert scenes.passed == []
        assert (scenes.frames == 2).all()

    def test_what_moves_is_followed_but_some_of_it_is_lost(self):
        scenes = FocusSimulation(LENS, 640, 64, Task(dynamic=True), seed=6)
        start = scenes.readings.position.copy()
        seconds, fused = scenes.seconds.copy(), np.full_like(scenes.focus_positions, 0.5)
        kept = []
        for elapsed in (0.05, 0.3):
            scenes._fused_blur = fused
            view = scenes._scenes.at(seconds + elapsed)
            followed, blur, _ = scenes._followed(view, start, elapsed)
            moving = (view.shift > 0.1).reshape(64, -1).any(axis=1)
            kept.append((followed == fused)[moving & (blur > 5).any(axis=(1, 2))].mean())
            assert np.logical_or(followed == blur, np.isclose(followed, 0.5)).all()
        assert kept[1] < kept[0] < 1
        assert kept[0] > 0.9

    def test_fusion_keeps_what_is_sharp_and_guesses_where_all_is_blurred(self):
        scenes = simulation(dynamic=True)
        shape = scenes.focus_positions.shape
        sharp, blurred = np.full(shape, 0.3), np.full(shape, 20.0)
        for held, new, least, most in (
            (sharp, blurred, 0.0, 0.05),
            (blurred, sharp, 0.95, 1.0),
            (blurred, blurred + 5, 0.4, 0.6),
        ):
            assert least <= scenes._sharper(new, held)[0].mean() <= most

    def test_what_moves_gets_blurred_again(self):
        scenes = FocusSimulation(LENS, 640, 64, Task(dynamic=True), seed=6)
        for position in sweep_positions(LENS, 640):
            scenes.step(np.full(64, np.abs(scenes.positions - position).argmin()))
        assert scenes.fused_radius.max() > 3


def test_the_same_seed_gives_the_same_episode():
    first, second = simulation(), simulation()
    for action in (3, 30):
        first.step(np.full(12, action))
        second.step(np.full(12, action))
    np.testing.assert_array_equal(first.readings.radius, second.readings.radius)


def test_only_the_chosen_scenes_begin_anew():
    scenes = simulation()
    scenes.step(np.full(12, 9))
    kept = scenes.fused_radius.copy()
    scenes.reset(np.arange(12) < 4)
    np.testing.assert_array_equal(scenes.fused_radius[4:], kept[4:])
    assert (scenes.frames[:4] == 1).all()
    assert (scenes.frames[4:] == 2).all()


def test_real_focus_maps_are_used():
    ramp = np.linspace(0.4, 0.6, 40, dtype=np.float32)
    backgrounds = np.tile(ramp, (2, 30, 1))
    scenes = FocusSimulation(LENS, 640, 80, backgrounds=backgrounds, seed=7)
    shares = scenes.focus_positions / LENS.limits[1]
    within = ((shares > 0.38) & (shares < 0.62)).mean()
    assert within > 0.25
