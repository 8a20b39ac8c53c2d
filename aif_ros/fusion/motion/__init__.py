"""Motion between images: registration, optical flow, warping, the mosaic.

Which estimator serves what, in the order in which they run:

Frames of the loop (`fuser.py`, `estimation.py`)
    1. `registration.register_frames`, frame to frame: a shift, by Lucas-Kanade on pixels.
    2. `optical_flow.flow_between_frames`: what moves by itself, by dense optical flow (DIS).
    3. `registration.register_to_fused`, frame to J: a similarity that starts from 1, by
       Lucas-Kanade on pixels, with the photometric error that allows for blur.
    4. `optical_flow.flow_to_fused`: what moves by itself and is not yet in 2.

Slices of a stack (`stack_registration.py`)
    1. `ecc.maximise_correlation`, slice to slice: a first estimate. It finds larger motion than
       Lucas-Kanade, and does not depend on brightness, but takes a difference in blur for motion.
    2. `pair_registration.register_pair`: a similarity that starts from 1 or from the identity, by
       Lucas-Kanade on blocks of equally blurred images, with its uncertainty.
    3. `motion_choice.choose_motions`: the simplest motion that explains all pairs.

Images of a calibration sweep (`calibration/sweep_registration.py`)
    `ecc.maximise_correlation` alone: a measurement must not prefer small motion, as 3 does.

Lucas-Kanade on pixels (`pixel_registration.py`) and on blocks (`block_linearization.py`) share one
iteration (`lucas_kanade.py`).

Blur is equalized (`blur_equalization.py`) in one of two ways, because they need different things.
Images that are registered are compared with one of them blurred by several amounts, and the best
amount is kept for each pixel (`photometric_error.py`, `photo_consistency.py`) or for the image
(`scene_match.py`). Between slices whose motion is unknown, the amount is computed for each block
from the energy of the gradients (`pair_registration.py`).
"""
