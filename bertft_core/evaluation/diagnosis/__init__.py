"""What a practitioner would look at when a result is poor or unstable, one check after another over what a study has kept."""
