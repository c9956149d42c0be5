"""What the kernel says, in its own words: no policy here, and errors stay `OSError`."""
