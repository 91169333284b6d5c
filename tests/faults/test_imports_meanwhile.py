"""F14: billing files come in, right and wrong ones, while families read and pay."""
