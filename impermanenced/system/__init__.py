"""What the services of the machine answer: systemd, logind, polkit, the journal, other programs."""
