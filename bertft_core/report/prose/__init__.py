"""Every sentence about results, one file per subject: for the report, the terminal, MLflow notes and paper text alike."""
