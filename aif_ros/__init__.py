"""An all-in-focus camera: fusion, autofocus and focus control for a lens that moves.

The papers' loop is a plain Python library (`pipeline`, `fusion`, `autofocus`, `control`,
`optics`); ROS 2 (`nodes`, `bringup`) is one of its users.
"""

__version__ = "0.1.0"
