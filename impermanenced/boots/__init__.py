"""Boots: records, old roots, what the next boot does, and setting up."""
