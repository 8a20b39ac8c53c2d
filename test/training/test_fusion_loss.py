"""Loss of the fusion network."""

import math

import pytest
import torch

from aif_ros.training.fusion_batches import SequenceBatch
from aif_ros.training.fusion_loss import fusion_loss, log_error

TRUTH = torch.full((2, 3, 8, 8), 0.5)


class TestLogError:
    @pytest.mark.parametrize("error, decibels", [(0.1, 20.0), (0.01, 40.0)])
    def test_is_a_tenth_of_the_psnr(self, error, decibels):
        result = log_error(TRUTH + error, TRUTH)
        assert result.shape == (2,)
        torch.testing.assert_close(result, torch.full((2,), -decibels / 10), atol=5e-3, rtol=0)

    def test_of_equal_images_is_the_floor(self):
        torch.testing.assert_close(log_error(TRUTH, TRUTH), torch.full((2,), -6.0))

    def test_counts_only_where_it_is_asked_for(self):
        image, where = TRUTH.clone(), torch.zeros(2, 1, 8, 8)
        image[..., :4] += 0.1
        where[0, ..., :4] = where[1, ..., 4:] = 1
        left, right = log_error(image, TRUTH, where).tolist()
        assert left == pytest.approx(-2, abs=1e-3)
        assert right == pytest.approx(-6)

    def test_nowhere_is_no_error(self):
        image = (TRUTH + 0.1).requires_grad_()
        result = log_error(image, TRUTH, torch.zeros(2, 1, 8, 8))
        assert result.tolist() == [0.0, 0.0]
        result.sum().backward()
        assert image.grad.isfinite().all()


def batch(frames, near=0.0):
    """A sequence of even frames whose errors are given, and its truth."""
    stacked = torch.stack([TRUTH + error for error in frames], dim=1)
    plane = torch.full((2, len(frames), 1, 8, 8), float(near))
    truths = TRUTH[:, None].expand_as(stacked)
    return SequenceBatch(stacked, plane, truths, plane, plane, None, None)


def loss(results, sequence):
    return float(fusion_loss([TRUTH + error for error in results], sequence))


class TestFusionLoss:
    def test_the_last_image_counts_as_much_as_all(self):
        """Errors of 0.1 and 0.01 are -2 and -4 each; even errors have no slopes: -6, twice."""
        value = loss([0.0, 0.1, 0.01], batch([0.5] * 3))
        assert value == pytest.approx((-4) + (-3) - 12, abs=0.05)

    def test_the_first_image_does_not_count(self):
        frames = batch([0.5] * 3)
        assert loss([0.5, 0.1, 0.1], frames) == loss([0.0, 0.1, 0.1], frames)

    def test_what_is_near_edges_counts_four_times_more(self):
        far, near = (loss([0.0, 0.1, 0.1], batch([0.5] * 3, share)) for share in (0, 1))
        assert near - far == pytest.approx(4 * 2 * -2, abs=0.02)

    def test_an_image_worse_than_its_frame_costs_twice_more(self):
        better, worse = (loss([0.0, 0.1, 0.1], batch([0.5, e, e])) for e in (0.1, 0.01))
        assert worse - better == pytest.approx(2 * 2, abs=0.05)

    def test_slopes_are_errors_of_their_own(self):
        """Stripes of the same squared error as an even one."""
        stripes = 0.1 * torch.tensor([1.0, -1.0]).repeat(4).expand(2, 3, 8, 8)
        even, striped = loss([0.0, 0.1], batch([0.5] * 2)), loss([0.0, stripes], batch([0.5] * 2))
        # Slopes to the right of 0.2, none down: a mean of 0.1.
        assert striped - even == pytest.approx(2 * (2 * math.log10(0.1 / 0.001)), abs=0.05)
