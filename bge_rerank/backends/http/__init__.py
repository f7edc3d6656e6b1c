"""The backends that ask a rerank server: `tei`, `vllm`, `infinity`, `llamacpp`, `cohere`, `jina`.

They import `models` and the ground. Start reading at `scorer.py`; `dialects.py` says how each kind of
server is asked.
"""
