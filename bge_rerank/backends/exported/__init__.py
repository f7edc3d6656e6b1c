"""The `onnx` and `openvino` backends: exported models, without torch.

May import `backends.encoder` and every room below it.
Start reading in `files.py`.
"""
