"""Merging frames of different focus into one all-in-focus image.

Fusion methods
    `fusion.py` is their interface, `fuser.py` holds the fused image of the loop and is the table of
    their names; `laplacian.py`, `pyramid.py` and `neural.py` are the methods.

Frames of the loop that do not show the scene
    `scene_watch.py` (the whole frame) and `damage.py` (parts of it). Frames come one by one and
    are judged against those so far.

Stacks from disk
    `stacking.py` fuses them in two passes: `stack_comparison.py` compares the slices,
    `stack_selection.py` leaves out those of other scenes, `stack_merging.py` merges the rest. All
    slices are known when they are judged, by `scene_match.py` and `motion/photo_consistency.py`.

Both judge scenes by `scene_view.py` and lost rows by `lost_lines.py`. `motion/` aligns frames and
slices.
"""
