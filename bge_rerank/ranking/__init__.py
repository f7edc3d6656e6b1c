"""From scores to a ranking: prefilter, long texts, selection and fusion.

May import `calibration` and every room below it.
Start reading in `reranker.py`.
"""
