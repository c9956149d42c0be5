"""The services of the machine and other programs: systemd, logind, polkit, the journal, D-Bus, commands."""
