"""Searches that bring one window of the image into focus: neural, rule-based, Fibonacci, sweep.

`search.py` is their interface, `searches.py` the table of their names. A search sees images of the
window and returns lens positions; `FocusStep` in `aif_ros.pipeline` moves the lens for it.
"""
