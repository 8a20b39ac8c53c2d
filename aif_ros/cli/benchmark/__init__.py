"""Measure how fast and how good the parts and the whole are.

Every figure in the README comes from one of these commands. With --json FILE the figures are
written for other programs to read.
"""
