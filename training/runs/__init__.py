"""A run: its configuration, its folder, and the way from one to the other."""
