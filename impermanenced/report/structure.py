"""The directories that are never declared as a whole: everything lies in them, or other software
makes them.

In a home these are only those of the XDG base directories and of file-hierarchy(7); a program's own
directory in it can be declared.
"""

from __future__ import annotations

_SYSTEM = frozenset(
    b"""
    / /bin /boot /dev /efi /etc /etc/conf.d /etc/default /etc/opt /etc/sysconfig /etc/systemd
    /etc/systemd/system /etc/systemd/user /home
    /lib /lib32 /lib64 /libx32 /media /mnt /nix /opt /proc /root /run /sbin /srv /sys /tmp /usr
    /usr/bin /usr/games /usr/include /usr/lib /usr/lib32 /usr/lib64 /usr/libexec /usr/libx32
    /usr/sbin /usr/share /usr/src /var /var/backup /var/backups /var/cache /var/cache/private /var/db
    /var/games /var/lib /var/lib/private /var/lib/systemd /var/lock /var/log/private /var/opt /var/run
    /var/spool /var/tmp /var/www
    """.split()
)
_HOME = frozenset(
    b"""
    .cache .config .config/systemd .local .local/lib .local/share .local/state .var .var/app
    .var/nixpak-app snap
    """.split()
)


def is_homely(path: bytes) -> bool:
    """Return whether the path lies where homes are, of a known user or not."""
    return path.startswith((b"/home/", b"/root/"))


def is_structure(path: bytes, home: bytes | None) -> bool:
    """Return whether the directory is one of them.  `home` is the home that it is, or lies in."""
    if path in _SYSTEM or (path.startswith(b"/home/") and path.count(b"/") == 2):
        return True
    if home is None:
        return False
    return path == home or path[len(home) + 1 :] in _HOME
