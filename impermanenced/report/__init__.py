"""The report: differences from the blank, judged."""
