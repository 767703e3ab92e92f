"""What a policy is worth on recorded episodes: chunk errors in SI units, latency, and a page that shows both."""
