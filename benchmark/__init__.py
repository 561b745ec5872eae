"""Measures model files: accuracy on faces, latency and memory on this machine."""
