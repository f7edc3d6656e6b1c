"""A ranking to look at: as HTML in notebooks, as a table in terminals, as a picture.

May import `models` and the `ground` files.
Start reading in `shown_text.py`.
"""
