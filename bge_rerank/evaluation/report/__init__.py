"""The report of an evaluation: for a terminal, as Markdown, and as HTML with plots.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `story.py`.
"""
