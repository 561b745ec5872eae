"""Cut faces on disk, mapped into memory: a training on any number of them needs little of it.

Faces lie in shards of 1024, in the order given, 31 kB a face (51 for models of 144 px), in
`~/.cache/efld/regions` (or `$XDG_CACHE_HOME/efld/regions`). A shard's name is the sha256 of all
that decides its pixels: the contents of the pictures, the boxes, the side, OpenCV's version and
VERSION below. So a changed picture costs its shard alone, a build that was killed goes on after
its last finished shard, and trainings share what they have in common. A face that is added or
left out shifts those behind it: their shards are cut anew.

The next start opens no picture: `<sha256>.link`, named after the paths, sizes, times of change
and inodes of a shard's pictures, holds the shard's name. This trusts a file system to change one of
these when a file changes; any of them may change without cost but reading the shard's pictures.

A shard of the wrong length is cut again; one whose pixels were altered in place is not noticed.
efld never deletes a shard. Delete the folder whenever you like: it is made again.
"""

import hashlib
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from efld import files, geometry
from efld.data.faces import Face
from efld.errors import InputError
from efld.geometry import Box, Picture

SHARD = 1024
VERSION = 1  # raise it when `read_grey` or `geometry.crop` give other pixels


@dataclass(frozen=True, eq=False)
class Packed:
    """`(faces, side, side)` uint8, read-only, of which only what is looked at is in memory."""

    shards: Sequence[NDArray[np.uint8]]  # all but the last have the length of the first

    def __len__(self) -> int:
        return len(self.shards[0]) * (len(self.shards) - 1) + len(self.shards[-1])

    def __getitem__(self, index: int) -> Picture:
        if not 0 <= index < len(self):
            raise IndexError(f"face {index} of {len(self)}")
        shard, row = divmod(index, len(self.shards[0]))
        picture: Picture = self.shards[shard][row]
        return picture

    def __iter__(self) -> Iterator[Picture]:
        for shard in self.shards:
            yield from shard


def pack(faces: Sequence[Face], boxes: Sequence[Box], size_px: int) -> Packed:
    """Cuts every face's box, resampled to `(size_px, size_px)`, or finds it cut before.

    Args:
        faces: one or more.
        boxes: a square for each face, pixels of its picture.

    Raises:
        InputError: a picture that cannot be read; a cache folder that cannot be written or has too
            little room, said before the first shard is written.
    """
    folder = files.cache_folder() / "regions"
    shards = [
        _Shard(folder, faces[start : start + SHARD], boxes[start : start + SHARD], size_px)
        for start in range(0, len(faces), SHARD)
    ]
    missing = [shard for shard in shards if not shard.found()]
    total = sum(len(shard.faces) for shard in missing)
    with (
        ThreadPoolExecutor() as pool,
        tqdm(desc="reading faces", total=total, disable=None, leave=False) as bar,
    ):
        for i, shard in enumerate(missing):
            shard.build(pool, bar, sum(later.size_bytes for later in missing[i:]))
    return Packed([shard.opened() for shard in shards])


@dataclass(frozen=True, eq=False)
class _Shard:
    folder: Path
    faces: Sequence[Face]
    boxes: Sequence[Box]
    size_px: int

    @property
    def size_bytes(self) -> int:
        return len(self.faces) * self.size_px**2

    @cached_property  # made before the pictures are read: a later change is noticed next time
    def link(self) -> Path:
        key = self.key(_token(face, _stamp) for face in self.faces)
        return self.folder / f"{key.hex()}.link"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.link.read_bytes().hex()}.u8"

    def key(self, tokens: Iterable[bytes]) -> bytes:
        """What decides the pixels; a token stands for a face's picture."""
        digest = hashlib.sha256(f"{VERSION} {cv2.__version__} {self.size_px}".encode())
        for token, box in zip(tokens, self.boxes, strict=True):
            digest.update(hashlib.sha256(token).digest())
            digest.update(struct.pack("<4d", box.left, box.top, box.width, box.height))
        return digest.digest()

    def found(self) -> bool:
        """Whether it is known, without opening a picture, that the whole shard is there."""
        try:
            return self.path.stat().st_size == self.size_bytes
        except OSError:
            return False

    def opened(self) -> NDArray[np.uint8]:
        shape = (len(self.faces), self.size_px, self.size_px)
        return np.asarray(np.memmap(self.path, np.uint8, "r", shape=shape))

    def build(self, pool: ThreadPoolExecutor, bar: tqdm, needed_bytes: int) -> None:
        """Writes the link, and the shard if it is not there under another link.

        Args:
            needed_bytes: for this shard and those that follow.
        """
        # A video is read forwards only, so its frames are taken in order, by one thread.
        in_order = any(not isinstance(face.picture, Path | np.ndarray) for face in self.faces)
        run = map if in_order else pool.map
        key = self.key(run(partial(_token, of_file=_digest), self.faces))
        _write(self.link, key)
        if self.found():
            bar.update(len(self.faces))
            return
        _refuse_full_disk(self.folder, needed_bytes)
        regions = np.empty((len(self.faces), self.size_px, self.size_px), np.uint8)
        cut = partial(_cut, size_px=self.size_px)
        for i, region in enumerate(run(cut, self.faces, self.boxes)):
            regions[i] = region
            bar.update()
        # Raw, since numpy's own writer loses the reason when the disk is full.
        _write(self.path, regions.data)


def _cut(face: Face, box: Box, size_px: int) -> Picture:
    return geometry.crop(face.grey(), box, size_px)


def _token(face: Face, of_file: Callable[[Path], bytes]) -> bytes:
    """What stands for a face's picture."""
    picture = face.picture
    if isinstance(picture, Path):
        return of_file(picture)
    if isinstance(picture, np.ndarray):
        return repr(picture.shape).encode() + hashlib.sha256(picture.tobytes()).digest()
    part = {name: value for name, value in vars(picture).items() if name != "path"}
    return of_file(picture.path) + repr(part).encode()


def _stamp(path: Path) -> bytes:
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return f"{path} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}".encode()


def _digest(path: Path) -> bytes:
    return _digest_of(path, _stamp(path))


@lru_cache(maxsize=8)
def _digest_of(path: Path, stamp: bytes) -> bytes:  # noqa: ARG001 (a video is hashed once)
    try:
        return bytes.fromhex(files.sha256(path))
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be read ({error.strerror}). Expected a picture.")


def _write(path: Path, data: bytes | memoryview) -> None:
    try:
        with files.whole(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}), expected a place for cut faces. "
            "Set XDG_CACHE_HOME to a folder that can be written and has room."
        ) from None


def _refuse_full_disk(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise InputError(
            f"{folder}: the cut faces need {needed_bytes} bytes, {free_bytes} are free. Free some "
            "space, or set XDG_CACHE_HOME to a folder on another disk."
        )
