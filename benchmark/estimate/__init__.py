"""Milliseconds on a phone's big core, estimated from counted ARM instructions. Never measured."""
