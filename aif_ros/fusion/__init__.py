"""Merging frames of different focus into one all-in-focus image.

`fusion.py` is the interface of the methods, `fuser.py` holds the fused image and is the table of
their names; `motion/` aligns frames. `stacking.py` fuses a stack from disk.
"""
