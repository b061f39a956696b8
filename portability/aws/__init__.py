"""The one room that knows boto3: sessions, services, the fast DynamoDB path."""
