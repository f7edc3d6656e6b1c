"""Readers of labelled data: queries, pairs and collections, from files, data frames and catalogues.

May import `models` and the `ground` files.
Start reading in `labelled.py`.
"""
