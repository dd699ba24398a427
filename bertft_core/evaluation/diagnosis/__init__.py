"""Why a result is poor or unstable: one check after another over what a study has stored, each with a verdict and numbers."""
