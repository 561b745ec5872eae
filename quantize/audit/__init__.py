"""What a .tflite file is made of, whoever made it, and what is wrong with it.

`graph` reads a file; `arithmetic`, `scales`, `sizes`, `provenance`, `delegate` and `pictures` each
look at one side of it and give findings; `report` puts them together and `text` writes them down.
`gate` is what `python -m quantize` demands of its own file before it writes it.
"""

from quantize.audit.gate import Audit, audit

__all__ = ["Audit", "audit"]
