"""What people read: the result table, the HTML report and its tables. Imports no torch.

Nothing is imported here: a command that prints a table needs neither pandas nor the pages.
"""
