"""The bank's pages: the payer's, the merchant's, and the answers to programs."""
