"""What PostgreSQL's own analysed query tree proves of a statement, before it ever runs."""

from typedsql.tools.proof.nullability.prover import ColumnProof, Proof, Prover
from typedsql.tools.proof.nullability.rules import RULES

__all__ = ["RULES", "ColumnProof", "Proof", "Prover"]
