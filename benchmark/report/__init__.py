"""The whole story of a run on one page: what its records hold, and what is missing to tell it all.

`records` reads, the modules beside it make sections of blocks, `page` writes them twice: as HTML
and as Markdown. Nothing is measured here.
"""
