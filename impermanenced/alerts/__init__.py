"""What is said unasked: groups of undeclared writes, levels, the last words at shutdown."""
