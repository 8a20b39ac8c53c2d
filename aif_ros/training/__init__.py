"""Data sets, augmentation and one trainer for each network."""
