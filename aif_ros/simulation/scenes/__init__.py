"""What a camera can look at, and its ground truth."""
