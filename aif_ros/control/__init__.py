"""Agents that choose where to focus next, and when to stop.

`agent.py` is their interface, `agents.py` the table of their names, `safety_limits.py` what every
agent runs in. `focus_belief.py` is what the learned agent knows of the scene.
"""
