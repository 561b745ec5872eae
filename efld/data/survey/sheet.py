"""A contact sheet: what a dataset looks like, with its own points and masks on it."""

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from efld.data.faces import Face, read_grey
from efld.data.survey.find import Unpointed
from efld.draw import ColourPicture, mark
from efld.errors import InputError
from efld.geometry import crop, to_crop, truth_square

COLUMNS, ROWS = 8, 6
ROWS_OF_MANY = 2  # for each dataset, where there are several
DATASETS = 100  # a JPEG ends at 65500 px
TILE_PX, CAPTION_PX, HEADING_PX = 200, 18, 34
MARGIN = 1.5  # the tile's side over the longer side of the box around the points
PAPER, INK, NOTHING = 255, 30, 128
FONT, HEADING_SCALE, CAPTION_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.55, 0.36

Sample = Face | Unpointed


def contact_sheet(datasets: Sequence[tuple[str, Sequence[Sample]]], seed: int = 0) -> ColourPicture:
    """Draws a block for each dataset: a heading and a grid of samples, evenly over its parts.

    A face is cut by its points with a margin; a picture that cannot be read is a grey ground. Masks
    lie over their pictures in the colours of the file.

    Args:
        datasets: title and samples of each.
        seed: chooses the samples; the same seed and data give the same sheet.
    """
    rows = ROWS if len(datasets) == 1 else ROWS_OF_MANY
    shown = list(datasets[:DATASETS])
    if len(datasets) > DATASETS:
        shown.append((f"and {len(datasets) - DATASETS} more", []))
    return np.concatenate([_block(title, samples, rows, seed) for title, samples in shown])


def choose(samples: Sequence[Sample], count: int, seed: int = 0) -> list[Sample]:
    """Up to `count` samples, the same number from each part as far as it has them, in order."""
    by_part: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        by_part[_part(sample)].append(index)
    shuffled = [random.Random(seed).sample(part, len(part)) for part in by_part.values()]
    in_turn = (index for index in chain(*zip_longest(*shuffled)) if index is not None)
    return [samples[index] for index in sorted(islice(in_turn, count))]


def _block(title: str, samples: Sequence[Sample], rows: int, seed: int) -> ColourPicture:
    chosen = choose(samples, rows * COLUMNS, seed)
    rows = max(1, -(-len(chosen) // COLUMNS))
    height = TILE_PX + CAPTION_PX
    block = np.full((HEADING_PX + rows * height, COLUMNS * TILE_PX, 3), PAPER, np.uint8)
    _write(block, title, 8, HEADING_PX - 11, HEADING_SCALE, COLUMNS * TILE_PX)
    for index, sample in enumerate(chosen):
        top, left = HEADING_PX + index // COLUMNS * height, index % COLUMNS * TILE_PX
        block[top : top + TILE_PX - 2, left : left + TILE_PX - 2] = _tile(sample)[:-2, :-2]
        _write(block, _caption(sample), left + 2, top + height - 6, CAPTION_SCALE, TILE_PX - 8)
    return block


def _write(
    canvas: ColourPicture, text: str, left: int, base: int, scale: float, room_px: int
) -> None:
    while cv2.getTextSize(text, FONT, scale, 1)[0][0] > room_px:
        text = text[:-1]
    cv2.putText(canvas, text, (left, base), FONT, scale, (INK, INK, INK), 1, cv2.LINE_AA)


def _caption(sample: Sample) -> str:
    name = sample.id.rsplit("/", 1)[-1]
    return name if _part(sample) == "none" else f"{_part(sample)}: {name}"


def _part(sample: Sample) -> str:
    """The split of a face; of other pictures the folder."""
    if isinstance(sample, Face):
        return sample.part
    return sample.id.rsplit("/", 1)[0] if "/" in sample.id else "none"


def _tile(sample: Sample) -> ColourPicture:
    return _face_tile(sample) if isinstance(sample, Face) else _picture_tile(sample)


def _face_tile(face: Face) -> ColourPicture:
    known = face.points[np.isfinite(face.points).all(axis=1)]
    box = truth_square(known, MARGIN) if len(known) else None
    try:
        picture = face.grey()
    except InputError:
        tile = np.full((TILE_PX, TILE_PX, 3), NOTHING, np.uint8)
    else:
        cut = picture if box is None else crop(picture, box, TILE_PX)
        tile = _fitted(np.asarray(cv2.cvtColor(cut, cv2.COLOR_GRAY2BGR), np.uint8))
    if box is not None:
        mark(tile, to_crop(face.points, box) * TILE_PX - 0.5, face.scheme)
    return tile


def _picture_tile(one: Unpointed) -> ColourPicture:
    try:
        picture = cv2.cvtColor(read_grey(one.picture), cv2.COLOR_GRAY2BGR)
    except InputError:
        return np.full((TILE_PX, TILE_PX, 3), NOTHING, np.uint8)
    colours = None if one.mask is None else _colours(one.mask)
    if colours is not None and colours.shape == picture.shape:
        picture = cv2.addWeighted(picture, 0.5, colours, 0.5, 0)
    return _fitted(np.asarray(picture, np.uint8))


def _colours(mask: Path) -> NDArray[np.uint8] | None:
    """A mask's own colours; one that is grey, hence holds class numbers, gets some."""
    colours = cv2.imread(str(mask), cv2.IMREAD_COLOR)
    if colours is None:
        return None
    if (colours[..., 0] == colours[..., 1]).all() and (colours[..., 1] == colours[..., 2]).all():
        spread = (colours[..., 0].astype(int) * 47 % 256).astype(np.uint8)
        colours = cv2.applyColorMap(spread, cv2.COLORMAP_JET)
    return np.asarray(colours, np.uint8)


def _fitted(picture: NDArray[np.uint8]) -> ColourPicture:
    """The whole picture in the middle of a tile."""
    height, width = picture.shape[:2]
    scale = TILE_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.full((TILE_PX, TILE_PX, 3), PAPER, np.uint8)
    left, top = (TILE_PX - size[0]) // 2, (TILE_PX - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile
