"""The cases, in the order in which they are run and told."""
