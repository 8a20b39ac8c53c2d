"""The calibrated lens and how it renders a scene.

`lens_model.py` is the calibration that everything reads; `psf.py` and `pupil.py` are point-spread
functions.
"""
