"""Frames of a video as pictures, exact: counted by reading, never by seeking."""

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from efld.errors import InputError
from efld.geometry import Picture


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Reading forward is cheap, also over gaps; a smaller number than before, or another video, opens
    the file anew. Faces in a random order should be cut out once (`efld.data.batches` does).
    """

    path: Path
    number: int  # from 1, as ffmpeg's %06d names them

    def grey(self) -> Picture:
        """Decodes it, `(height, width)`.

        Raises:
            InputError: no video, or it ends before.
        """
        return _reader(self).grey(self.number)

    def frames_after(self) -> int:
        """How many frames follow this one. The next reading of the video opens it anew."""
        reader = _reader(self)
        reader.grey(self.number)
        return reader.skip_rest()


class _Reader:
    """A video that is read forward."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0  # of the frame that was grabbed last
        self.picture: Picture | None = None
        self.video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def grey(self, number: int) -> Picture:
        if not self.video.isOpened():
            raise InputError(
                f"{self.path}: cannot be decoded. Expected a video; is the file cut off?"
            )
        while self.number < number:
            if not self.video.grab():
                raise InputError(
                    f"{self.path}: ends after frame {self.number}, before its last annotation. "
                    "Expected a frame for each: restore the video."
                )
            self.number += 1
            self.picture = None
        if self.picture is None:
            self.picture = self._decoded()
        return self.picture

    def skip_rest(self) -> int:
        first = self.number
        while self.video.grab():
            self.number += 1
        return self.number - first

    def _decoded(self) -> Picture:
        found, colour = self.video.retrieve()
        if not found:
            raise InputError(f"{self.path}: frame {self.number} cannot be decoded. Restore it.")
        return cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


_threads = threading.local()


def _reader(frame: Frame) -> _Reader:
    """This thread's reader, at the frame or before it."""
    reader: _Reader | None = getattr(_threads, "reader", None)
    if reader is None or reader.path != frame.path or reader.number > frame.number:
        reader = _threads.reader = _Reader(frame.path)
    return reader
