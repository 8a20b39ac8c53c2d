"""How far each part of an image is from focus: blur estimator and defocus map.

`defocus_map.py` and `patch_blur.py` are the interfaces, for an image and for a window;
`estimators.py` is the table of names.
"""
