"""Motion between frames: registration, optical flow, warping, the mosaic."""
