"""What views stand on: pages, forms, addresses, errors, limits. Knows no model by name."""
