"""The simulated camera: renderer, scenes, sensor and lens. Owns all ground truth.

`simulated_devices.py` opens camera and lens in one process; `scenes/` is what they show.
"""
