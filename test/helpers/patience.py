"""How long tests wait for what must come."""

PATIENCE = 180.0
"""Seconds. At ten times the load that its cores can bear, a computer takes 35 s to start a node."""
