"""The backends that ask a rerank server: TEI, vLLM, Infinity, llama.cpp, Cohere and Jina.

May import `backends.encoder` and every room below it.
Start reading in `scorer.py`; `dialects.py` has the wire format of each kind of server.
"""
