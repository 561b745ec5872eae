"""Published latencies of known nets, on one big core of a phone, one thread.

Sources, each at the commit that was read:
- "TFLite 2019": MobileNetV3 on three phones, float32 and int8 ("8-bit"), tensorflow/models@0ba83cf,
  research/slim/nets/mobilenet/README.md, both tables of V3.
- "TFLite 2018": MobileNetV2 at five resolutions on the Pixel 1, the same file, table of V2. An
  older runtime than V3's: Howard et al. 2019, table 3, print 64 ms where it has 73.8.
- "TFLite 2018", int8: quantised MobileNetV1 of four widths at four resolutions on the Pixel 2,
  "single thread large core", tensorflow/tensorflow@6e81d72, tensorflow/lite/g3doc/models.md, table
  of quantized models. They were trained with a scale a tensor, ours count with one a channel. Left
  out: its MobileNetV2 of 80.3 ms, which a later version of the page has as 53.4.
- "XNNPACK 2020": google/XNNPACK@0085ae3, README.md, table "single-threaded", of 27 March 2020.

The runtime whose instructions we count is TFLite with XNNPACK, so its line is the one closest to
what a phone does today; TFLite's own kernels of 2019 were a quarter slower.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal["float32", "int8"]  # what a net is computed in

PHONES = {"Pixel 1": "Snapdragon 821", "Pixel 2": "Snapdragon 835", "Pixel 3": "Snapdragon 845"}
PHONE = "Pixel 3"  # what is estimated
RUNTIMES: dict[Kind, tuple[str, ...]] = {  # for which
    "float32": ("TFLite 2019", "XNNPACK 2020"),
    "int8": ("TFLite 2019",),
}


class Net(NamedTuple):
    """A net of keras.applications, three channels, 1000 classes."""

    family: str
    width: float = 1.0
    input_px: int = 224
    minimalistic: bool = False
    kind: Kind = "float32"

    def __str__(self) -> str:
        simple = "-minimalistic" if self.minimalistic else ""
        return f"{self.family}{simple}-w{self.width:g}-{self.input_px}-{self.kind}"


class Latency(NamedTuple):
    """One published figure."""

    net: Net
    runtime: str
    phone: str
    ms: float


LARGE, SMALL = Net("MobileNetV3Large"), Net("MobileNetV3Small")
V1, V2 = Net("MobileNet"), Net("MobileNetV2")

V3_MS = {  # on Pixel 1, 2, 3
    LARGE: (51.2, 61, 44),
    LARGE._replace(width=0.75): (39.8, 48, 34),
    SMALL: (15.8, 19.4, 14.4),
    SMALL._replace(width=0.75): (12.8, 15.9, 11.6),
    LARGE._replace(minimalistic=True): (44.1, 51, 35),
    SMALL._replace(minimalistic=True): (12.2, 15.1, 11),
    LARGE._replace(kind="int8"): (44, 42.5, 32),
    SMALL._replace(kind="int8"): (15.5, 15, 10.7),
    LARGE._replace(minimalistic=True, kind="int8"): (37, 35, 27),
}
XNNPACK_MS = {V1: (82, 86), V2: (49, 53), LARGE: (39, 42), SMALL: (12, 14)}  # on Pixel 1, 2
V1_PX = (128, 160, 192, 224)
V1_INT8_MS = {  # width: on Pixel 2, at V1_PX
    0.25: (3.7, 5.5, 7.9, 10.4),
    0.5: (8.8, 13.0, 18.3, 24.7),
    0.75: (16.2, 24.3, 33.8, 45.4),
    1.0: (24.9, 37.4, 51.9, 70.2),
}
V2_PX = (224, 192, 160, 128, 96)
V2_MS = {  # width: on Pixel 1, at V2_PX
    1.0: (73.8, 55.1, 40.2, 27.6, 17.6),
    0.75: (55.8, 41.6, 30.4, 21.9, 14.2),
    0.5: (28.7, 21.1, 14.9, 9.9, 6.4),
    0.35: (19.7, 14.6, 10.5, 6.9, 4.5),
}


def latencies() -> Iterator[Latency]:
    """All of them."""
    for runtime, table in (("TFLite 2019", V3_MS), ("XNNPACK 2020", XNNPACK_MS)):
        for net, row in table.items():
            for phone, ms in zip(PHONES, row, strict=False):
                yield Latency(net, runtime, phone, ms)
    yield from _sizes(V1._replace(kind="int8"), "Pixel 2", V1_PX, V1_INT8_MS)
    yield from _sizes(V2, "Pixel 1", V2_PX, V2_MS)


def _sizes(
    net: Net, phone: str, inputs_px: Sequence[int], table: Mapping[float, Sequence[float]]
) -> Iterator[Latency]:
    """A net of several widths and resolutions."""
    for width, row in table.items():
        for input_px, ms in zip(inputs_px, row, strict=True):
            yield Latency(net._replace(width=width, input_px=input_px), "TFLite 2018", phone, ms)


def nets() -> list[Net]:
    """Each net once."""
    return list(dict.fromkeys(latency.net for latency in latencies()))
