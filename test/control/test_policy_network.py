import pytest
import torch

from aif_ros.control.policy_features import DYNAMIC, FEATURES, GAIN, GAIN_RATIO
from aif_ros.control.policy_network import PolicyNetwork, best_action


class TestPolicyNetwork:
    @pytest.mark.parametrize("candidates", [9, 46, 270])
    def test_rates_every_candidate_and_stopping(self, candidates):
        logits, value = PolicyNetwork()(torch.rand(3, FEATURES, candidates))
        assert logits.shape == (3, candidates + 1)
        assert value.shape == (3,)

    def test_untrained_it_maximises_the_expected_gain(self):
        features = torch.zeros(1, FEATURES, 46)
        features[0, GAIN, 17] = features[0, GAIN_RATIO, 17] = 1.0
        logits, _ = PolicyNetwork()(features)
        assert int(logits.argmax()) == 17

    def test_untrained_it_stops_where_no_gain_is_worth_a_frame(self):
        features = torch.zeros(1, FEATURES, 46)
        features[0, GAIN_RATIO] = -1.0
        logits, _ = PolicyNetwork()(features)
        assert int(logits.argmax()) == 46

    def test_still_and_moving_scenes_of_one_batch_have_policies_of_their_own(self):
        network, features = PolicyNetwork(), torch.rand(4, FEATURES, 20)
        features[:, DYNAMIC] = torch.tensor([0.0, 1.0, 1.0, 0.0])[:, None]
        logits, value = network(features)
        torch.testing.assert_close(logits[[0, 3]], network.still(features[[0, 3]])[0])
        torch.testing.assert_close(value[1:3], network.moving(features[1:3])[1])


class TestBestAction:
    def test_several_good_candidates_outweigh_stopping(self):
        logits = torch.tensor([[0.0, 0.5, 0.3, 1.0], [-1.0, -1.0, -1.0, 1.0]])
        nothing = torch.zeros(2, 4, dtype=torch.bool)
        assert best_action(logits, nothing).tolist() == [1, 3]

    def test_forbidden_commands_are_not_carried_out(self):
        logits = torch.tensor([[0.0, 0.5, 0.3, 9.0]])
        assert best_action(logits, torch.tensor([[False, True, False, True]])).tolist() == [2]
        assert best_action(logits, torch.tensor([[True, True, True, False]])).tolist() == [3]
