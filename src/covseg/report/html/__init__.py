"""What every page shares: style, figures, small pictures."""
