"""Benchmarks, metrics, figures and reports."""
