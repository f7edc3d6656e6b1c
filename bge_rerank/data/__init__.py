"""Labelled data in: queries, pairs and collections, read from files, frames and catalogues.

May import `models` and the `ground` files.
Start reading in `labelled.py`.
"""
