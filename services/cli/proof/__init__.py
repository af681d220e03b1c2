"""The proof: what the raw log says, counted and metered again, held against the ledger, the aggregate topics and ClickHouse.

`reading` gives records, `cut` the place up to which each part of the work has come, `recount`, `repeated` and `recompute` what the raw log says up to there,
`held` and `stored` what was published and kept, `compare` and `seats` the differences, `findings` how they are told.
"""
