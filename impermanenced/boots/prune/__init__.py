"""The pruning of old roots; no code outside of this folder deletes any."""
