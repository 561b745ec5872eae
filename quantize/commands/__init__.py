"""One file for each `python -m quantize COMMAND`.

A file has `run(argv)`, which returns what to say and the exit code; `flags` has what they share.
"""
