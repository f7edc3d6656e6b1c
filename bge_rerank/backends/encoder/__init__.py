"""Pairs to token ids, batches and logits: what the backends `torch`, `onnx` and `openvino` share.

It imports `models` and the ground. Start reading at `scorer.py`: `EncoderScorer` is the base of those
backends.
"""
