"""The daemon: the watch, the report and the bus in one process."""
