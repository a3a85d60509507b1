"""What each index costs those who write, and what it gives those who read.

    python -m tests.measure.indexes [--table NAME] [--only costs|alternatives|uses|updates]

Costs: the same rows are copied, 10,000 in a transaction, into the empty table with all its
indexes, and with all but one, in turn. The ratio is the time with all over the time without
that one; WAL and size are what that one adds for each row. The bytes that are copied are
prepared beforehand, so the ratio is the server's, the largest that an index can have: a client
that is slower than the server sees less of it.

Alternatives: the same with another kind of index, default or CHECK in place of what is there.

Updates: what a second write to each row costs, by the free space that a page is left with.

Uses: every named statement is run in a transaction that is rolled back, with the index and with
the index hidden from the planner.

Times of writing are the processor's, of the connection's own process: what other processes do
meanwhile disturbs them little. That leaves out waiting for the disk, for which the WAL stands,
and whatever a table brings that does not fit into memory, which tests/benchmarks/growth.py
measures. The server is one of its own on this machine (Linux, as it reads /proc), with
durability on and its data in TMPDIR.
"""
