"""Turn pairs into token ids, batches and logits: the code that `torch`, `onnx` and `openvino` share.

May import `backends` and every room below it.
Start reading in `scorer.py`: `EncoderScorer` is the base of those backends.
"""
