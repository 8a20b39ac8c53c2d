"""The steps of the loop, and the loop over them; no ROS.

`FuseStep`, `AssessStep`, `ControlStep` and `FocusStep` are called by `loop.py` and by the nodes.
The rules that both follow are here, each once: use of frames exposed in motion, settling, faults
that the images show, the end of a loop.
"""
