"""How far each part of an image is from focus: estimator, discriminator, defocus map."""
