"""Keras -> ONNX -> TFLite, every step measured against the one it came from."""
