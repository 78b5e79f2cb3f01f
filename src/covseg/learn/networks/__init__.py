"""Networks, without Lightning."""
