"""Simulated serial and network devices: they answer the real protocols byte by byte."""
