"""What seeds tell beside their means: where variance comes from, which answers flip, what seeds and budgets buy."""
