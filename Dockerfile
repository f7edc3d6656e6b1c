# syntax=docker/dockerfile:1
# docs/containers.md says how to build and run it.

# The version that constraints.txt was made with.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS source
# PyPI's torch brings gigabytes of CUDA on x86; this is PyTorch's own index for CPUs.
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
    # With it, importing OpenVINO reports to its makers; ORT_DISABLE_TELEMETRY keeps ONNX Runtime from that.
    && uv pip uninstall --python /opt/venv openvino-telemetry \
    && mkdir /cache

# Weights are in the image only where MODEL asks for them: a folder mounted at /model changes without
# a build, and nothing is fetched when the container starts.
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

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="bge-rerank" \
      org.opencontainers.image.description="BGE cross-encoder rerankers behind HTTP" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=environment /opt/venv /opt/venv
COPY --from=environment --chown=10001:10001 /cache /cache
COPY --from=model /model /model
# The user has no entry in /etc/passwd, hence no home but this one.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/cache \
    HF_HOME=/cache/huggingface \
    ORT_DISABLE_TELEMETRY=1
USER 10001:10001
EXPOSE 8080
# It listens once the model is loaded. Proxies that the container may have are not for loopback.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10m \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["bge-rerank", "serve", "--host", "0.0.0.0", "--port", "8080"]
CMD ["--model", "/model"]
