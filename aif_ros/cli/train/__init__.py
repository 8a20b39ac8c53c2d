"""Train the networks that are shipped in aif_ros/weights, or your own."""
