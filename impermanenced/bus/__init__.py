"""The D-Bus service, and the client that talks to it."""
