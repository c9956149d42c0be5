"""Boots and their old roots: records, requests for the next boot, set-up; `prune` deletes."""
