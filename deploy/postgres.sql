-- The databases of a lab on a PostgreSQL that is there already (14 or newer):
--
--     psql --host HOST --username postgres --file deploy/postgres.sql
--
-- It asks for the password of the new user, which no file or command line then holds, and can be called again.
-- Has been run: PostgreSQL 15.18 of Debian, by tests/flows/test_lab_databases.py. Not run: other versions, managed services.

SELECT 'CREATE ROLE bertft LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bertft') \gexec
\if :{?password}
ALTER ROLE bertft PASSWORD :'password';
\else
\password bertft
\endif
-- An administrator who is no superuser, as on managed services, may give away only what its own roles may have.
GRANT bertft TO CURRENT_USER;

SELECT 'CREATE DATABASE prefect OWNER bertft' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'prefect') \gexec
SELECT 'CREATE DATABASE mlflow OWNER bertft' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'mlflow') \gexec

REVOKE CONNECT ON DATABASE prefect, mlflow FROM PUBLIC;

\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm;
