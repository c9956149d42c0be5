"""A compiled set as `apply` writes it, and what a boot has handed over of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from impermanenced.keep import units


def compile_into(state: Path, files: dict[str, bytes], manifest: bytes | None = None) -> Path:
    """Write a compiled set as `apply` does."""
    compiled = state / "compiled"
    shutil.rmtree(compiled, ignore_errors=True)
    compiled.mkdir()
    for name, content in files.items():
        (compiled / name).parent.mkdir(parents=True, exist_ok=True)
        (compiled / name).write_bytes(content)
    (compiled / "manifest").write_bytes(units.manifest(files) if manifest is None else manifest)
    return compiled


def handed_over(run: Path) -> dict[str, bytes]:
    """What the system finds in /run, by the names in the compiled set."""
    found = {}
    for prefix, directory in (("units", "systemd/system"), ("tmpfiles", "impermanence/tmpfiles.d")):
        for path in sorted((run / directory).rglob("*")):
            if path.is_file() and not path.is_symlink():
                found[f"{prefix}/{path.relative_to(run / directory)}"] = path.read_bytes()
    if (run / "impermanence/early").exists():
        found["early"] = (run / "impermanence/early").read_bytes()
    return dict(sorted(found.items()))
