"""Decodes the pictures of a dataset in parallel and says what they show."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, takewhile
from pathlib import Path
from typing import TypeVar

import cv2
from tqdm import tqdm

from efld.data.faces import Face, read_grey
from efld.data.survey.find import Unpointed
from efld.data.video import Frame
from efld.errors import InputError
from efld.geometry import Picture

Task = TypeVar("Task")


@dataclass(frozen=True)
class Look:
    """What decoding showed."""

    size_px: tuple[int, int] | None = None  # width, height; None: could not be decoded
    digest: bytes = b""  # of the grey pixels
    damage: str = ""


def look_at_faces(faces: Sequence[Face]) -> list[Look]:
    """Looks at each face's picture: one task a group, so that a video is read forward once."""
    groups = [list(group) for _, group in groupby(faces, key=lambda face: face.group)]
    return _in_threads(_look_at_group, groups, len(faces))


def look_at_pictures(pictures: Sequence[Unpointed]) -> list[Look]:
    """Looks at each picture and its mask."""
    return _in_threads(_look_at_picture, pictures, len(pictures))


def _in_threads(
    work: Callable[[Task], Iterable[Look]], tasks: Sequence[Task], total: int
) -> list[Look]:
    looks: list[Look] = []
    stop = threading.Event()

    def done(task: Task) -> list[Look]:
        return list(takewhile(lambda _: not stop.is_set(), work(task)))

    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        with tqdm(total=total, desc="decoding pictures", disable=None, leave=False) as bar:
            for part in pool.map(done, tasks):
                looks += part
                bar.update(len(part))
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    return looks


def _look_at_group(faces: Sequence[Face]) -> Iterator[Look]:
    last: tuple[Path, Look] | None = None
    for face in faces:
        if isinstance(face.picture, Path) and last and last[0] == face.picture:
            yield last[1]
            continue
        look = _look(face.grey)
        if isinstance(face.picture, Path):
            last = face.picture, look
        if face is faces[-1] and isinstance(face.picture, Frame) and not look.damage:
            look = _with_length(look, face.picture)
        yield look


def _with_length(look: Look, frame: Frame) -> Look:
    """Also says whether the video goes on after its last annotation."""
    if not (after := frame.frames_after()):
        return look
    text = f"{frame.path}: {after} frames after the last annotation, expected as many as .pts."
    return Look(look.size_px, look.digest, text)


def _look_at_picture(one: Unpointed) -> Iterator[Look]:
    look = _look(lambda: read_grey(one.picture))
    if one.mask is None or look.damage:
        yield look
        return
    mask = _look(lambda: read_grey(one.mask or one.picture))
    damage = mask.damage
    if not damage and mask.size_px != look.size_px:
        damage = f"{one.mask}: {_text(mask)} px, but {one.picture.name} has {_text(look)}."
    yield Look(look.size_px, look.digest, damage)


def _text(look: Look) -> str:
    return "{}x{}".format(*look.size_px or (0, 0))


def _look(decode: Callable[[], Picture]) -> Look:
    try:
        picture = decode()
    except (InputError, cv2.error, OSError) as error:
        return Look(damage=str(error))
    height, width = picture.shape
    return Look((width, height), hashlib.blake2b(picture.tobytes(), digest_size=16).digest())
