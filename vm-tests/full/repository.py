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
# What mmdebstrap makes a machine from, by release.  The host's own are those of another one, perhaps.
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
SOURCES = f"""
deb [signed-by={KEYS}] http://deb.debian.org/debian %(release)s main
deb [signed-by={KEYS}] http://deb.debian.org/debian %(release)s-updates main
deb [signed-by={KEYS}] http://deb.debian.org/debian-security %(release)s-security main
"""
PACK = f"""
cd "$0"
dpkg-scanpackages . > Packages
echo 'deb [trusted=yes] file:{PLACE} ./' > sources.list
echo '{APT_CONF}' > apt.conf
tar -cf "$1" --remove-files -- *.deb Packages sources.list apt.conf
"""


def archive(release: str) -> list[str]:
    """The options with which the host's apt speaks of that release: `apt-cache *archive("trixie") …`.

    Its lists are fetched once, and again when a package in them is no longer there.
    """

    def build(directory: Path) -> None:
        (directory / "lists/partial").mkdir(parents=True)
        (directory / "sources.list").write_text(SOURCES % {"release": release})
        succeed(["apt-get", "--quiet", *options(directory), "update"])

    def options(directory: Path) -> list[str]:
        words: dict[str, object] = {
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "Dir::Etc::sourcelist": directory / "sources.list",
            "Dir::Etc::sourceparts": "/none",
            "Dir::State::lists": directory / "lists",
        }
        return _options(words)

    return options(cache.cached(f"lists-{release}", cache.key(SOURCES, release), build))


def _options(words: dict[str, object]) -> list[str]:
    return [f"--option={key}={value}" for key, value in words.items()]


def repository(base: Path, *names: str, release: str = "bookworm") -> Path:
    """A tar of these packages, and of what a machine made from the tar `base` lacks for them."""

    def build(directory: Path) -> None:
        packages = directory / "packages"
        (packages / "partial").mkdir(parents=True)
        status = directory / "status"
        with tarfile.open(base) as tar:
            content = tar.extractfile("./var/lib/dpkg/status")
            assert content is not None
            status.write_bytes(content.read())
        more: dict[str, object] = {
            "APT::Install-Recommends": "false",
            "Dir::Cache::archives": packages,
            "Dir::State::status": status,
        }
        apt = ["apt-get", "--quiet", *archive(release), *_options(more)]
        download = [*apt, "--yes", "--download-only", "install", *names]
        try:
            succeed(download)
        except AssertionError:  # the lists are older than the archive
            succeed([*apt, "update"])
            succeed(download)
        succeed(["sh", "-ec", PACK, str(packages), str(directory / "packages.tar")])

    key = cache.key(Path(__file__), str(base), release, *names)
    return cache.cached(f"repository-{release}", key, build) / "packages.tar"
