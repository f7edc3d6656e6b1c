"""An evaluation as JSON, Markdown, a page and a table in the terminal.

May import `bge_rerank.evaluation`, which does not know of it. Start reading at `story`, which says what
all reports say; `write` writes the files.
"""
