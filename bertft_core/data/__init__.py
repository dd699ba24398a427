"""From files, bundled sets or the hub to tokenised Arrow files that every run maps into memory."""
