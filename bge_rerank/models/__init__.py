"""What a model is: its options, its files, and the backend that runs it.

May import the `ground` files alone.
Start reading in `config.py`.
"""
