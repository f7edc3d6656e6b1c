"""One module a backend; `bge_rerank.registry` names them, and imports one on first use."""
