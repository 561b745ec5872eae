"""One file for each `python -m benchmark COMMAND`: its flags, what it says and records.

A file has `add(parsers)`, which adds its flags, and `run(options, command)`, whose `command` is the
line that was typed, fit to be published.
"""
