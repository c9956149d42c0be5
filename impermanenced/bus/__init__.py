"""The D-Bus face of the manager, and the client that talks to it."""
