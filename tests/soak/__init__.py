"""Campaigns against faults that take too long for the suite; `python -m tests.soak`.

Each module is one campaign, told about at its top, with the control that has to go wrong.
"""
