"""What the scorer that asks servers is made of: dialects, parts, answers, addresses, retries."""
