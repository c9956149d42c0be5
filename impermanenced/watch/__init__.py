"""The watch: events of the kernel in, writers of inodes out."""
