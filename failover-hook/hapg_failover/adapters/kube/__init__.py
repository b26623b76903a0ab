"""The Kubernetes API: the calls the agent makes, and its watches. Only `connections` imports `kubernetes`.

The client library provides the configuration (address, CA, rotating token) and the TLS connections. Objects are plain JSON, because
building the library's models takes longer than the calls. Nothing here retries a call.
"""
