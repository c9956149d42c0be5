"""What is declared: whether each declaration holds, what nothing declares any more, and what keeps it so."""
