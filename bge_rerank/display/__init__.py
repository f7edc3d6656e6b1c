"""Views of a ranking: HTML for notebooks, a table for terminals, a chart.

May import `models` and the `ground` files.
Start reading in `shown_text.py`.
"""
