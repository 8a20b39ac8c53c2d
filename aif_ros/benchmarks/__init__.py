"""Benchmarks, metrics, figures and reports.

One module for each `aif benchmark`, which measures; its figures are drawn by a module of their own.
`report.py` writes the report of `aif demo`, `paper.py` the figures of `aif reproduce`.
"""
