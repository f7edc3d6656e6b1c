"""`bge-rerank capacity`: how many machines carry a load, simulated from times measured on this machine.

May import `ray` and every room below it.
Start reading in `simulation.py`.
"""
