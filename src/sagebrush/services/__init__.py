"""A folder per AWS service, named as botocore names it. Services never import one another."""
