"""Words a non-programmer may edit, read by name. It does not know code."""
