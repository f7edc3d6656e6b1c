"""`bge-rerank demo`: the same search through LangChain and LlamaIndex, with and without reranking.

May import both adapter packages and all rooms below. Start reading at `run`.
"""
