"""The live page over a ledger: `frontune dashboard`."""
