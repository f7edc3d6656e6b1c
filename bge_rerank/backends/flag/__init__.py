"""The backends that run FlagEmbedding: `flag` for LLM-based models, `m3-sparse` for a prefilter.

May import `backends.torch`, `backends.exported`, `backends.http` and every room below them.
Start reading in `scorer.py`.
"""
