"""ROS 2 nodes: messages in, one core object called, messages out."""
