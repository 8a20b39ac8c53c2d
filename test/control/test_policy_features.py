import numpy as np
import pytest
from beliefs import belief_of, readings
from world import LENS, REACH, World, planes, slope

from aif_ros.control.expected_error import decibels, detail_error, detail_loss, fused_error
from aif_ros.control.focus_belief import FocusBelief, candidate_positions
from aif_ros.control.policy_features import FEATURES, moving_gain, policy_features


class TestPolicyFeatures:
    def test_most_is_gained_where_the_scene_is(self):
        belief = belief_of(planes(0.9e-3), [0.6e-3, 0.7e-3], dynamic=True)
        gain = moving_gain(belief)[0]
        best = belief.positions[gain.argmax()]
        assert best == pytest.approx(0.9e-3, abs=REACH)
        # All that blur costs, less some doubt.
        blur = LENS.blur_gain(640) * 0.2e-3
        whole = detail_error(0.07, 0.0)
        cost = float(
            decibels(fused_error(whole, 0))
            - decibels(fused_error(whole, whole * detail_loss(blur)))
        )
        assert 0.2 * cost < moving_gain(belief).max() < cost

    def test_most_is_gained_where_there_is_most_to_see(self):
        contrast = np.full((15, 20), 0.02)
        contrast[:, 10:] = 0.1
        found = []
        for seen in (contrast, contrast[:, ::-1]):
            world = World(planes(0.2e-3, 1.2e-3), contrast=seen)
            belief = FocusBelief(LENS, 640, 1, 300, dynamic=True)
            for position in (0.6e-3, 0.7e-3):
                belief.update(readings(world.observe(position)))
            found.append(belief.positions[moving_gain(belief)[0].argmax()])
        assert found == pytest.approx([1.2e-3, 0.2e-3], abs=REACH)

    @pytest.mark.parametrize("dynamic", [False, True])
    def test_features_are_finite_from_the_first_look_on(self, dynamic):
        for focus in (slope(), np.full((15, 20), np.nan)):
            features = policy_features(belief_of(focus, [0.0], dynamic=dynamic))
            assert features.shape == (1, FEATURES, len(candidate_positions(LENS, 640)))
            assert np.isfinite(features).all()

    def test_an_unknown_contrast_changes_nothing_else(self):
        belief = belief_of(planes(0.9e-3), [0.6e-3], dynamic=True)
        world = World(planes(0.9e-3), contrast=np.nan)
        belief.update(readings(world.observe(0.7e-3)))
        assert np.isfinite(policy_features(belief)).all()
        assert moving_gain(belief).max() > 0
