"""What is done to a release, its pods, its volumes and its nodes."""
