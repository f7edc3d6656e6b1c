"""The `onnx` and `openvino` backends: exported graphs on the CPU, without torch.

May import `backends.encoder` and every room below it.
Start reading in `files.py`, which finds and checks an export.
"""
