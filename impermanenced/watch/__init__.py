"""The watch: it turns the kernel's events into the writers of inodes."""
