"""Searches that bring one window of the image into focus: neural, rule-based, Fibonacci, sweep."""
