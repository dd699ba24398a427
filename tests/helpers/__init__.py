"""What tests start from: made-up records and tables, tiny encoders and studies, and processes to talk to."""
