"""The report: the differences from the blank, judged."""
