"""What travels through the loop: frames, lens states, windows, images."""
