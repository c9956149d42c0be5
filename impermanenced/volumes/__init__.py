"""The volumes of this machine that are rolled back, and what each was made from."""
