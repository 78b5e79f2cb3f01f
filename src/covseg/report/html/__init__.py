"""What all HTML pages share: style sheet, figures, thumbnails, template environment."""
