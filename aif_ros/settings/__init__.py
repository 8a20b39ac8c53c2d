"""Typed declarations of everything a user can set.

Node parameters, launch arguments, command-line options, `config/pipeline.yaml` and the tables of
the README are generated from the dataclasses in this folder. No ROS, no heavy imports.
"""
