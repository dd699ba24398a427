#!/bin/sh
# Makes the passwords of deploy/compose.yaml: deploy/make-credentials.sh deploy/lab.env
# Only their owner can read the file. One that is there stays as it is.
set -eu
umask 077
if [ -e "$1" ]; then
    echo "$1 is there already" >&2
    exit 1
fi
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
{
    echo "PGPASSWORD=$(secret)"
    echo "PREFECT_API_AUTH_STRING=bertft:$(secret)"
    echo "MLFLOW_TRACKING_PASSWORD=$(secret)"
    echo "MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret)"
    echo "RAY_AUTH_TOKEN=$(secret)"
} > "$1.part"
mv "$1.part" "$1"
