"""One ONNX Runtime session: opens on the requested provider, checks the contract, runs.

Create engines after a fork, never before: a session owns threads, and threads do not survive one.
"""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service import contract
from service.contract import IMAGE_SIDE, Manifest
from service.errors import ContractError, ProviderError, SelfTestError, first_line
from service.inference.specimens import specimens

Provider = Literal["cpu", "cuda"]
Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]

_LEAST_READ = 0.8  # of the specimens; a linear model reads 0.96 of them after one epoch, an untrained one 0.17 at most
_MOST_OFF = 0.01  # of a probability at batch 1 from the same at a larger one, and of a row's sum from 1

_ORT_PROVIDERS: dict[Provider, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

log = logging.getLogger(__name__)


class Engine:
    """A model, ready to run. `run` may be called from several threads at once."""

    def __init__(self, session: ort.InferenceSession, provider: Provider, file: str) -> None:
        """Use `Engine.open`, which checks these arguments."""
        self._session = session
        self.provider: Provider = provider
        self.file = file

    @classmethod
    def open(
        cls,
        model: bytes,
        *,
        provider: Provider = "cpu",
        threads: int = 1,
        gpu_memory_mb: int = 1024,
        file: str = contract.FLOAT32_FILE,
    ) -> "Engine":
        """Open the ONNX graph `model` on `provider` with `threads` threads for one run, or so much of a GPU's memory.

        Raises ProviderError if the provider cannot run it here, and ContractError over any other graph than the
        contract describes. There is no fallback to another provider.
        """
        session = _open_session(model, provider, threads, gpu_memory_mb)
        _check_contract(session)
        return cls(session, provider, file)

    def run(self, images: Images) -> Probabilities:
        """Return the probabilities, float32 [N, 10], of `images`, uint8 [N, 28, 28], 0 = background, 255 = ink."""
        [probabilities] = self._session.run([contract.OUTPUT_NAME], {contract.INPUT_NAME: images})
        return probabilities  # type: ignore[no-any-return]

    def warm_up(self, most: int) -> None:
        """Run each of `batch_sizes(most)`, so that no request pays for its first run, or raise ProviderError."""
        for size in batch_sizes(most):
            try:
                self.run(np.zeros((size, IMAGE_SIDE, IMAGE_SIDE), np.uint8))
            except Exception as error:  # ONNX Runtime's exceptions have no common base
                raise ProviderError(
                    f"{self.provider} cannot run {size} images at a time: raise DIGITS_GPU_MEMORY_MB, "
                    f"or lower DIGITS_MAX_BATCH. {_reason(error)}."
                ) from error

    def self_test(self, manifest: Manifest) -> None:
        """Run the manifest's self-test; raise SelfTestError if an answer differs by more than it tolerates."""
        test = manifest.self_test
        expected = np.asarray(test.expected[self.file], np.float32)
        found = self.run(self_test_inputs(test.seed, test.count))
        if expected.shape != found.shape:
            raise SelfTestError(f"{self.file}: the self-test wants shape {expected.shape}, got {found.shape}.")
        difference, allowed = float(np.abs(found - expected).max()), test.tolerance[self.file]
        if not difference <= allowed:  # written so that NaN fails
            raise SelfTestError(
                f"{self.file}: the self-test differs from the manifest by {difference:.2g}, "
                f"allowed is {allowed:.2g}: publish the version again."
            )

    def read_specimens(self) -> None:
        """Warm the model up with the digits that the service draws itself, or raise SelfTestError over its answers."""
        images, labels = specimens()
        together = self.run(images)
        alone = np.concatenate([self.run(image[np.newaxis]) for image in images])
        self._check_probabilities(together, alone)
        read = together.argmax(axis=1) == labels
        never = sorted(set(labels.tolist()) - set(labels[read].tolist()))
        if never or read.mean() < _LEAST_READ:
            none = f", and none of the digit {never[0]}" if never else ""
            raise SelfTestError(
                f"{self.file}: it reads {read.sum()} of the service's {len(read)} own digits{none}: "
                "it is no trained model of digits; train it, and publish that."
            )

    def _check_probabilities(self, together: Probabilities, alone: Probabilities) -> None:
        if not (together.min() >= 0 and np.abs(together.sum(axis=1) - 1).max() <= _MOST_OFF):  # NaN fails
            raise SelfTestError(f"{self.file}: its answers are no probabilities: end the graph with a softmax.")
        difference = float(np.abs(together - alone).max())
        if not difference <= _MOST_OFF:
            raise SelfTestError(
                f"{self.file}: an answer depends by {difference:.2g} on what shares its batch: quantise it statically."
            )


def self_test_inputs(seed: int, count: int) -> Images:
    """Return the contract's self-test images as an array, uint8 [count, 28, 28]."""
    return np.frombuffer(contract.self_test_images(seed, count), np.uint8).reshape(count, IMAGE_SIDE, IMAGE_SIDE)


def batch_sizes(most: int) -> list[int]:
    """Return the batch sizes to warm up with: the powers of two below `most`, near enough to all others, and `most`."""
    return [*(1 << power for power in range((most - 1).bit_length())), most]


def open_version(
    directory: Path,
    manifest: Manifest,
    *,
    provider: Literal["auto", "cpu", "cuda"],
    threads: int = 1,
    gpu_memory_mb: int = 1024,
    max_batch: int = 1,
) -> Engine:
    """Open the graph of a published version that suits the provider, and test it.

    CUDA runs float32, and is warmed up for batches of up to `max_batch`; a CPU runs int8 where the version has it.
    `auto` takes CUDA where it works and says so where it does not. ModelError is raised if it cannot be served.
    """

    def opened(provider: Provider, file: str) -> Engine:
        model = manifest.read_file(directory, file)
        engine = Engine.open(model, provider=provider, threads=threads, gpu_memory_mb=gpu_memory_mb, file=file)
        if provider == "cuda":
            engine.warm_up(max_batch)
        engine.self_test(manifest)
        engine.read_specimens()
        return engine

    if provider == "cuda" or (provider == "auto" and _ORT_PROVIDERS["cuda"] in ort.get_available_providers()):
        try:
            return opened("cuda", contract.FLOAT32_FILE)
        except ProviderError as error:
            if provider == "cuda":
                raise
            log.warning("CUDA cannot serve, the CPU does: %s", error)
    return opened("cpu", contract.INT8_FILE if contract.INT8_FILE in manifest.files else contract.FLOAT32_FILE)


def _open_session(model: bytes, provider: Provider, threads: int, gpu_memory_mb: int) -> ort.InferenceSession:
    wanted = _ORT_PROVIDERS[provider]
    # ONNX Runtime only warns about a provider that is missing, and falls back.
    if wanted not in ort.get_available_providers():
        raise ProviderError(
            f"{wanted} is not in this installation of ONNX Runtime: "
            "install the `serve-cuda` requirements, or set DIGITS_PROVIDER=cpu."
        )
    if provider == "cuda":
        ort.preload_dlls()
    try:
        session = ort.InferenceSession(
            model,
            _session_options(threads),
            providers=[wanted],
            provider_options=[_cuda_options(gpu_memory_mb) if provider == "cuda" else {}],
            enable_fallback=False,
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        if provider == "cuda":
            _open_session(model, "cpu", 1, 0)  # raises the error of a graph that is at fault itself
            raise ProviderError(f"CUDA cannot run the model here: {_reason(error)}.") from error
        raise ContractError(f"ONNX Runtime cannot load the model: {first_line(error)}.") from error
    # Only the session itself says which provider it uses.
    if session.get_providers()[0] != wanted:
        raise ProviderError(
            f"{wanted} was asked for and ONNX Runtime took {session.get_providers()[0]}: "
            "check the driver and the CUDA and cuDNN libraries, or set DIGITS_PROVIDER=cpu."
        )
    return session


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take processor time from the next request.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A graph may name files of weights, which no manifest covers: a folder below a file never exists.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.log_severity_level = 3  # errors; what matters of the rest is raised or logged here
    return options


def _cuda_options(memory_mb: int) -> dict[str, str]:
    """Return the options of the CUDA provider; onnxruntime.ai, "CUDA Execution Provider", describes them."""
    return {
        "gpu_mem_limit": str(memory_mb << 20),
        # By powers of two, the last step would not fit under the limit, with up to half of it unused.
        "arena_extend_strategy": "kSameAsRequested",
        # TensorFloat-32, on by default, keeps ten bits of each factor: probabilities would move by some thousandths.
        "use_tf32": "0",
    }


def _reason(error: Exception) -> str:
    """Return the message of an ONNX Runtime error; of a CUDA failure only CUDA's own words."""
    said = re.search(r"CUDA failure \d+: [^;\n]+", str(error))
    return said[0].strip() if said else first_line(error)


def _check_contract(session: ort.InferenceSession) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    metadata = session.get_modelmeta().custom_metadata_map
    for what, found, wanted in (
        ("inputs", _described(inputs), [(contract.INPUT_NAME, "tensor(uint8)", [IMAGE_SIDE, IMAGE_SIDE])]),
        ("outputs", _described(outputs), [(contract.OUTPUT_NAME, "tensor(float)", [len(contract.LABELS)])]),
        ("contract version", metadata.get(contract.METADATA_CONTRACT), contract.CONTRACT_VERSION),
        ("labels", metadata.get(contract.METADATA_LABELS), ",".join(contract.LABELS)),
    ):
        if found != wanted:
            raise ContractError(f"The model's {what}: found {found}, the contract wants {wanted}.")
    if isinstance(batch := inputs[0].shape[0], int):
        raise ContractError(f"The model takes batches of {batch} only; the contract wants any number of images.")


def _described(tensors: Sequence[ort.NodeArg]) -> list[tuple[str, str, list[int]]]:
    return [(tensor.name, tensor.type, tensor.shape[1:]) for tensor in tensors]
