"""An evaluation as Markdown, as a page with plots, and as a table in the terminal.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `story.py`, which says what all reports say.
"""
