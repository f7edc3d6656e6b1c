"""Rankings: prefilter, windows of long texts, scoring, selection and fusion.

May import `calibration` and every room below it.
Start reading in `reranker.py`.
"""
