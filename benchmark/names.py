"""How records name files: they get published."""

from pathlib import Path


def shown(path: Path | str) -> str:
    """A path without the folders of this machine: of an absolute one, its last two names."""
    absolute = Path(path).is_absolute()
    return "/".join(Path(path).parts[1:][-2:]) if absolute else str(path)
