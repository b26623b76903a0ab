"""Full tags and digests of images, from the registry that has them."""
