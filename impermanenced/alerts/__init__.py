"""The alerts, which nobody asked for: groups of undeclared writes, levels, the last words before a
shutdown.
"""
