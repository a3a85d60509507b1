"""Which columns and parameters of a statement can be NULL, and which are proven not to be."""
