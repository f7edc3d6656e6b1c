"""Reports of an evaluation: Markdown, an HTML page with plots, and a table in the terminal.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `story.py`, which holds the sentences of all reports.
"""
