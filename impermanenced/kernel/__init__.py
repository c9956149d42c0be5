"""The kernel's interfaces in the kernel's own words: no policy, and errors stay `OSError`."""
