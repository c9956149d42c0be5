"""Pruning of old roots; nothing outside of this folder deletes."""
