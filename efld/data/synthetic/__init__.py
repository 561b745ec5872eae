"""Rendered faces with exact points: seeded, free of any licence, thousands a minute on one core.

`shape`, `surface` and `landmarks` are the head, `person` says by chance who it is; `paint`, `skin`,
`features` and `hair` colour it; `light`, `camera`, `scene` and `props` make the picture. `renderer`
puts one face together, `collection` many.
"""

from efld.data.synthetic.collection import faces
from efld.data.synthetic.landmarks import NEUTRAL_FACE, neutral_points
from efld.data.synthetic.renderer import RENDERER_VERSION, Rendered, render

__all__ = ["NEUTRAL_FACE", "RENDERER_VERSION", "Rendered", "faces", "neutral_points", "render"]
