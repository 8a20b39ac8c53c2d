"""The steps of the loop, and the loop over them; no ROS."""
