"""The container side of SageMaker's contract, once for every image: /opt/ml in, /opt/ml out, /ping and /invocations.

Only the standard library, but for `arrays`, which images with numpy import.
"""
