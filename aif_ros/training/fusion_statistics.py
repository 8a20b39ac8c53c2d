"""What the sequences that the fusion network is trained on are drawn from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SequenceStatistics:
    """Ranges and shares of the random sequences.

    Chosen by hand, all together with the shipped weights, so that the sequences hold what
    `aif benchmark fusion` measures and what cameras on a tripod, in a hand and on a vehicle see; a
    change of one takes effect by a new training only.

    Attributes:
        travel: first and last position of the lens, metres, as of the shipped calibration.
        smallest_radius, largest_radius: blur radius over the whole depth of a scene, pixels.
        breathing: largest change of magnification, per metre of travel.
        graphics: share of the images that are graphics.
        inexact: share of the still sequences in which errors of registration and of exposure are
            left.
        left_shift: standard deviation of these errors of registration, pixels.
        left_gain: standard deviation of these errors of exposure, share of the brightness.
        most_objects: in front of a background.
        fastest_pan: of the camera, pixels from frame to frame, as the three next.
        largest_shake: of the hand that holds the camera.
        fastest_object: that moves by itself.
        largest_parallax: of the nearest things against the farthest, where the camera moves
            sideways.
        slowest: in half of the sequences all motion is slower, down to this share: a camera of 30
            frames a second sees little motion, and must not take blur for it.
        slices: of depth, in which parallax moves a measured scene.
        cuts: share of the moving sequences in which the scene is cut.
        noiseless: share of the pairs without noise: published ones have little.
        missed: share of the travel by which a part of a pair is out of focus at most where it is
            taken for sharp.
        measured: share of scenes with measured depth, where there are any.
        filmed: share of the moving scenes that are videos, where there are any.
    """

    travel: tuple[float, float] = (0.0, 1.5e-3)
    smallest_radius: float = 4.0
    largest_radius: float = 40.0
    breathing: float = 60.0
    graphics: float = 0.2
    inexact: float = 0.3
    left_shift: float = 0.25
    left_gain: float = 0.01
    most_objects: int = 5
    fastest_pan: float = 6.0
    largest_shake: float = 5.0
    fastest_object: float = 8.0
    largest_parallax: float = 8.0
    slowest: float = 0.03
    slices: int = 8
    cuts: float = 0.1
    noiseless: float = 0.5
    missed: float = 0.02
    measured: float = 1 / 3
    filmed: float = 1 / 5


STATISTICS = SequenceStatistics()
"""Of the shipped weights."""
