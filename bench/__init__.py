"""What protection costs: `make bench` measures it and writes docs/reference/performance.md."""
