"""A ranking to look at: as HTML in notebooks, as a table in terminals, as a picture.

May import the files on the ground only. Start reading at `shown_text`, which says what of a ranking is
shown; `Ranking` in `bge_rerank.ranking.result` calls the others.
"""
