"""Which layers stay float, found by measurement, so that accuracy stays within a budget.

`units` says what is switched together, `trials` measures one choice, `blame` what each unit costs,
`search` looks for the cheapest choice within the budget, `cost` says what is cheap, `plot` draws.
"""
