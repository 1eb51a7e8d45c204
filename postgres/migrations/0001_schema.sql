-- Makes the schema itself. Skipped where the schema exists: creating it needs
-- CREATE on the database, even with IF NOT EXISTS.
CREATE SCHEMA IF NOT EXISTS leasehold;
