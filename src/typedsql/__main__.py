"""`python -m typedsql`: the same as the command `typedsql`."""

from typedsql.cli.standalone import main

main()
