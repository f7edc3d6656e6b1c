"""The parts that the adapters of both frameworks share.

May import `ranking` and every room below it.
Start reading in `settings.py`.
"""
