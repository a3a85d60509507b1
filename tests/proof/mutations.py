"""The rules of the prover, each broken on purpose: the fuzzer has to notice.

A rule that can be broken unnoticed is a rule that nothing tests. Each mutation replaces an
entry of `rules.RULES`, or what a rule rests upon, and says which constructs to ask about, so
that it is found soon.
"""

from tests.proof import mutations_of_groups, mutations_of_rows, mutations_of_values
from tests.proof.mutation import Mutation

NOT_BREAKABLE = {
    "never-null": "claims NOT NULL whatever it is asked: broken, it would claim less. That a kind "
    "of expression is wrongly given to it is what mutations of EXPRESSIONS stand for",
    "parameter-null": "says what a caller may give, not what a column holds",
    "count": "as never-null",
    "stored-row": "as never-null",
}
"""Rules without a condition that could be left out."""


MUTATIONS: tuple[Mutation, ...] = (
    *mutations_of_values.MUTATIONS,
    *mutations_of_rows.MUTATIONS,
    *mutations_of_groups.MUTATIONS,
)
