"""The Kubernetes API: the calls the agent makes, and its watches. Only `connections` imports `kubernetes`.

The client library gives the configuration (address, CA, rotating token) and the TLS connections; objects are plain JSON,
because building its models costs more time than the calls. Nothing here repeats a call.
"""
