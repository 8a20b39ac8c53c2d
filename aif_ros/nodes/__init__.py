"""ROS 2 nodes: messages in, one core object called, messages out.

Each `*_node.py` is an executable. `topics.py` declares every topic, `pipeline_node.py` is the base
class; the other modules are parts of nodes.
"""
