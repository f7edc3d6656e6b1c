# syntax=docker/dockerfile:1
# docs/containers.md says how to build and run the image.

# The Python version of constraints.txt. The digest is that of the index for amd64 and arm64, and dependabot renews it.
FROM python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba AS base

FROM base AS source
# PyTorch's index for CPUs. On x86, PyPI's torch would bring gigabytes of CUDA packages.
ARG TORCH_BACKEND=cpu
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
WORKDIR /src
COPY constraints.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt uv
COPY . .

FROM source AS environment
ARG EXTRAS=server,openvino
RUN --mount=type=cache,target=/root/.cache/uv \
    python -m venv --without-pip /opt/venv \
    && uv pip install --python /opt/venv --constraint constraints.txt \
        ${TORCH_BACKEND:+--torch-backend "${TORCH_BACKEND}"} ".[${EXTRAS}]" \
    # The removed package reports OpenVINO's use to its makers. ORT_DISABLE_TELEMETRY below stops the reports of ONNX Runtime.
    && uv pip uninstall --python /opt/venv openvino-telemetry \
    && mkdir /cache

# With MODEL, the image contains the exported model. Without it, mount a folder at /model. Neither needs a
# download when the container starts.
FROM source AS model
ARG MODEL=
ARG PRECISION=fp32
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=type=secret,id=hf_token,env=HF_TOKEN \
    mkdir /model \
    && if [ -n "${MODEL}" ]; then \
        python -m venv --without-pip .venv \
        && uv pip install --python .venv --constraint constraints.txt \
            ${TORCH_BACKEND:+--torch-backend "${TORCH_BACKEND}"} ".[export]" ./mini \
        && .venv/bin/bge-rerank export "${MODEL}" /model --precision "${PRECISION}"; \
    fi

FROM base
LABEL org.opencontainers.image.title="bge-rerank" \
      org.opencontainers.image.description="BGE cross-encoder rerankers behind HTTP" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=environment /opt/venv /opt/venv
COPY --from=environment --chown=10001:10001 /cache /cache
COPY --from=model /model /model
# HOME is set because the user has no entry in /etc/passwd.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/cache \
    HF_HOME=/cache/huggingface \
    ORT_DISABLE_TELEMETRY=1
USER 10001:10001
EXPOSE 8080
# The server listens once the model is loaded. The check ignores the container's proxies, which are not for loopback.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10m \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["bge-rerank", "serve", "--host", "0.0.0.0", "--port", "8080"]
CMD ["--model", "/model"]
