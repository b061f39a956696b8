"""What the tests stand on: the engines, and nothing of the product."""
