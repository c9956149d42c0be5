"""Symlinks that a declarative system makes at each activation.

NixOS links /etc into /etc/static and that into the store; home-manager links dotfiles into a generation of
its own in the store.  From boot to boot only the store path differs, which is no change: the link is made
from the configuration, and its new target is as good.  nix makes links of its own (`result` of nix-build, the
channels of root), which hold nothing.  A link into the store that a person made is none of these.
"""

from __future__ import annotations

from ...lazy import regex
from ...model import Change, Difference, FileType

_HOME_MANAGER = regex(
    rb"/nix/store/[0-9a-z]{32}-home-manager-(?:files|path|generation)(?:/|$)"
    rb"|(?:.*/)?\.local/state/(?:nix/profiles|home-manager)/"
    rb"|/nix/var/nix/profiles/per-user/[^/]+/(?:home-manager|profile)"
)
_SYSTEM = regex(
    rb"/nix/store/|/etc/static(?:/|$)|/run/(?:current|booted)-system(?:/|$)|/nix/var/nix/profiles/"
)
_OF_NIX = regex(rb"(?:.*/result(?:-[a-z0-9]+)*|.*/\.nix-defexpr/channels(?:_root)?)")
_OF_PERSONS = regex(rb"/(?:home/[^/]+|root|tmp|var/tmp|srv)/")


def rule_of(difference: Difference) -> str | None:
    """Return what makes this link at each boot, in words, or None if nothing known does or it is no link."""
    target = difference.target
    if target is None or difference.type is not FileType.SYMLINK or difference.change is Change.DELETED:
        return None
    if _HOME_MANAGER.match(target):
        return "home-manager links it from its generation"
    if _SYSTEM.match(target) and not _OF_PERSONS.match(difference.path):
        return "the activation of NixOS links it"
    if _SYSTEM.match(target) and _OF_NIX.fullmatch(difference.path):
        return "nix links it to its store, and what it leads to is there"
    return None
