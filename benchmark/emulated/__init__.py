"""Exact instruction counts of .tflite files on emulated ARM processors: no phone, no timing noise.

Counts are not milliseconds: they say nothing of memory, caches or clock. They tell two graphs
apart to the last instruction, on any machine.
"""
