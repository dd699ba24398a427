"""Every refusal of the product: its code, an input that provokes it, the place it names, and its wording as one snapshot."""
