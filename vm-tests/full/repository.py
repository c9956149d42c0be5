"""Packages on a disk: a machine that has no network installs from it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import cache

from full.guest import succeed

PLACE = "/run/packages"  # in the guest, which unpacks the tar there and has apt read its apt.conf
APT_CONF = f"""
Dir::Etc::sourcelist "{PLACE}/sources.list";
Dir::Etc::sourceparts "/none";
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
DPkg::Options "--force-unsafe-io";
quiet "2";
"""
PACK = f"""
cd "$0"
dpkg-scanpackages . > Packages
echo 'deb [trusted=yes] file:{PLACE} ./' > sources.list
echo '{APT_CONF}' > apt.conf
tar -cf "$1" --remove-files -- *.deb Packages sources.list apt.conf
"""


def repository(base: Path, *names: str) -> Path:
    """A tar of these packages, and of what a machine made from `base` (a tar as well) lacks for them."""

    def build(directory: Path) -> None:
        packages = directory / "packages"
        (packages / "partial").mkdir(parents=True)
        status = directory / "status"
        with tarfile.open(base) as tar:
            content = tar.extractfile("./var/lib/dpkg/status")
            assert content is not None
            status.write_bytes(content.read())
        options = {
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
            "Dir::Cache::archives": packages,
            "Dir::Cache::pkgcache": "",
            "Dir::State::status": status,
        }
        apt = ["apt-get", "--quiet", *(f"--option={key}={value}" for key, value in options.items())]
        download = [*apt, "--yes", "--download-only", "install", *names]
        try:
            succeed(download)
        except AssertionError:  # the lists are older than the archive
            succeed(["apt-get", "--quiet", "update"])
            succeed(download)
        succeed(["sh", "-ec", PACK, str(packages), str(directory / "packages.tar")])

    key = cache.key(Path(__file__), str(base), *names)
    return cache.cached("repository", key, build) / "packages.tar"
