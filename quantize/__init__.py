"""float .tflite -> int8 .tflite, calibrated on training faces only, audited tensor by tensor."""
