"""Cameras and focus lenses: recorded and real.

`device.py` has the interfaces `Camera` and `FocusLens`; `backends.py` is the table of backends, one
module each. `motor_lens.py` is the base class of motorised lenses, `move_monitor.py` what it makes
of a stall. `simulators/` answers as real devices do, for tests; the simulated camera and lens of
the loop are in `aif_ros.simulation`.
"""
