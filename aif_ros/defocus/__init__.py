"""How far each part of an image is from focus: blur estimator and defocus map."""
