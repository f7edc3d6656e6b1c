"""The `onnx` and `openvino` backends: an exported graph on the CPU, without torch.

They import `backends.encoder`, `models` and the ground. Start reading at `files.py`, which finds and
checks an export.
"""
