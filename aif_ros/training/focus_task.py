"""Parameters of the focus-control task that the policies are trained on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Parameters of the task.

    Attributes:
        dynamic: whether scenes move; such an episode lasts `horizon` and cannot be stopped.
        grid: (rows, columns) of the defocus maps.
        tolerance: share of a still scene that may stay uncovered at little loss: the reward is
            the logarithm of the factor by which a frame reduces uncovered share plus tolerance.
            A cell of 300 that is left uncovered costs as much as five frames.
        frame_cost: what one more frame of a still scene must gain by that measure.
        travel_cost: of the whole travel of the lens, by the same measure.
        frame_limit: frames of a still episode at most.
        horizon: length of a moving episode, seconds.
        frame_rate: frames per second.
        exposure_time: seconds.
        lens_speed: metres of travel per second.
        settling_time: seconds after a move.
        fair_loss: share of its detail at which J of a moving scene has a reward of 0: a baseline,
            which keeps returns small and changes no decision.
        decision: probability that fusion takes the sharper of J and a new frame in moving scenes:
            log odds of `decision` times the difference of 1 - exp(-radius / scale). Fitted, as the
            next, to both fusion methods in four moving scenes.
        decision_scale: that scale, pixels.
        still_decision: the same of the source map in still scenes; of two frames that are equally
            blurred, either may be the source.
        lost: share of J that is lost of what moves by an image's width.
    """

    dynamic: bool = False
    grid: tuple[int, int] = (16, 20)
    tolerance: float = 0.003
    frame_cost: float = 0.15
    travel_cost: float = 0.12
    frame_limit: int = 40
    horizon: float = 3.0
    frame_rate: float = 30.0
    exposure_time: float = 0.008
    lens_speed: float = 5e-3
    settling_time: float = 0.02
    fair_loss: float = 0.1
    decision: float = 6.0
    decision_scale: float = 2.0
    still_decision: float = 18.0
    lost: float = 6.0
