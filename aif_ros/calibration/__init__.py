"""Calibration of a lens from photographs or a sweep.

`sweep_calibration.py` is the entry; `travel_direction.py` decides which way a motor counts.
"""
