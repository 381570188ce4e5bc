"""The payment sandbox: Stripe's HTTP on this machine, with a pay page and signed webhooks. It knows nothing of our tables.

It claims no fees, timing, risk scores or exact error texts: only the shapes, states and refusals that the adapter meets.
"""
