"""One ONNX Runtime session: opens on the requested provider, checks the contract, runs.

Create engines after a fork, never before: a session owns threads, and threads do not survive one.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service import contract
from service.contract import IMAGE_SIDE, Manifest
from service.errors import ContractError, ProviderError, SelfTestError, first_line
from service.inference.specimens import specimens
from service.preprocessing.looks import LOOKS, looks

Provider = Literal["cpu", "cuda"]
Images = npt.NDArray[np.uint8]
Fitted = npt.NDArray[np.bool_] | bool  # [N]; one for all if all are alike
Probabilities = npt.NDArray[np.float32]

_DIGIT_FROM = 0.12  # a confidence; the model says "no digit" by ten equal probabilities
_DOUBT = 0.25  # of the doubt of a barely certain answer: with less, the first look is enough
_LEAST_READ = 0.8  # of the specimens; a linear model reads 0.96 after one epoch, an untrained one at most 0.17
_MOST_OFF = 0.01  # difference of a probability between batch sizes, and of a row's sum from 1

_ORT_PROVIDERS: dict[Provider, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Engine:
    """A model, ready to run; `open` makes it. `run` may be called from several threads at once."""

    session: ort.InferenceSession
    provider: Provider
    file: str

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
        """Open the ONNX graph `model` on `provider`, with `threads` for one run or `gpu_memory_mb`.

        Raises ProviderError if the provider cannot run it here, without fallback to another one, and ContractError if
        the graph breaks the contract.
        """
        session = _open_session(model, provider, threads, gpu_memory_mb)
        _check_contract(session)
        return cls(session, provider, file)

    def run(self, images: Images) -> Probabilities:
        """Return the probabilities, float32 [N, 10], of `images`, uint8 [N, 28, 28], 0 = background, 255 = ink."""
        [probabilities] = self.session.run([contract.OUTPUT_NAME], {contract.INPUT_NAME: images})
        return probabilities  # type: ignore[no-any-return]

    def read(self, images: Images, certain_from: float, fitted: Fitted = True) -> Probabilities:
        """Return what `run` does, with second looks at uncertain images that were `fitted`.

        An uncertain answer becomes the mean of the first and those for other looks at the digit. Second looks share
        runs, which are no larger than the first.
        """
        probabilities = self.run(images)
        unsure = np.flatnonzero((probabilities.max(axis=1) < sure_from(certain_from)) & fitted)
        if unsure.size:
            again = np.concatenate([looks(images[place]) for place in unsure])
            most = max(len(images), LOOKS)
            second = np.concatenate([self.run(again[start : start + most]) for start in range(0, len(again), most)])
            probabilities[unsure] += second.reshape(len(unsure), LOOKS, -1).sum(axis=1)
            probabilities[unsure] /= 1 + LOOKS
        return probabilities

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
            raise SelfTestError(f"{self.file}: the self-test expects shape {expected.shape}, found {found.shape}.")
        difference, allowed = float(np.abs(found - expected).max()), test.tolerance[self.file]
        if not difference <= allowed:  # written so that NaN fails
            raise SelfTestError(
                f"{self.file}: the self-test differs from the manifest by {difference:.2g}, "
                f"allowed is {allowed:.2g}: publish the version again."
            )

    def read_specimens(self) -> None:
        """Read the digits that the service draws itself; raise SelfTestError if the answers are wrong."""
        images, labels = specimens()
        found = self.run(images)
        if not (found.min() >= 0 and np.abs(found.sum(axis=1) - 1).max() <= _MOST_OFF):  # NaN fails
            raise SelfTestError(f"{self.file}: its answers are not probabilities: end the graph with a softmax.")
        difference = float(np.abs(found - np.concatenate([self.run(image[np.newaxis]) for image in images])).max())
        if not difference <= _MOST_OFF:
            raise SelfTestError(
                f"{self.file}: an answer depends by {difference:.2g} on what shares its batch: quantise it statically."
            )
        read = found.argmax(axis=1) == labels
        never = sorted(set(labels.tolist()) - set(labels[read].tolist()))
        if never or read.mean() < _LEAST_READ:
            none = f", and none of the digit {never[0]}" if never else ""
            raise SelfTestError(
                f"{self.file}: it reads {read.sum()} of the service's {len(read)} own digits{none}: "
                "it is not a trained model of digits; train it and publish it again."
            )


def sees_digit(probabilities: Probabilities) -> npt.NDArray[np.bool_]:
    """Return whether the model sees a digit, by the `probabilities`, float32 [..., 10]."""
    return np.asarray(probabilities.max(axis=-1) >= _DIGIT_FROM)


def sure_from(certain_from: float) -> float:
    """Return the confidence from which an answer needs no second look."""
    return 1 - _DOUBT * (1 - certain_from)


def self_test_inputs(seed: int, count: int) -> Images:
    """Return the contract's self-test images, uint8 [count, 28, 28]."""
    return np.frombuffer(contract.self_test_images(seed, count), np.uint8).reshape(count, IMAGE_SIDE, IMAGE_SIDE)


def batch_sizes(most: int) -> list[int]:
    """Return the batch sizes to warm up with: the powers of two below `most`, near enough to all others, and `most`."""
    return [*(1 << power for power in range((most - 1).bit_length())), most]


def open_version(
    directory: Path,
    manifest: Manifest,
    *,
    provider: Literal["auto", "cpu", "cuda"],
    max_batch: int = 1,
    **options: int,
) -> Engine:
    """Open the graph of a published version for the provider, and test it; raise ModelError if it cannot serve.

    CUDA runs float32, and is warmed up for batches of up to `max_batch`; a CPU runs int8 if the version has it. `auto`
    uses CUDA if it works, and logs why if not. `options` are those of `Engine.open`.
    """

    def opened(provider: Provider, file: str) -> Engine:
        engine = Engine.open(manifest.read_file(directory, file), provider=provider, file=file, **options)
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
            log.warning("CUDA cannot serve, so the CPU does: %s", error)
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
            providers=[(wanted, _cuda_options(gpu_memory_mb) if provider == "cuda" else {})],
            enable_fallback=False,
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        if provider == "cuda":
            _open_session(model, "cpu", 1, 0)  # raises the error of a graph that is at fault itself
            raise ProviderError(f"CUDA cannot run the model here: {_reason(error)}.") from error
        raise ContractError(f"ONNX Runtime cannot load the model: {first_line(error)}.") from error
    # Only the session itself says which provider it uses.
    if (used := session.get_providers()[0]) != wanted:
        raise ProviderError(
            f"{wanted} was requested but ONNX Runtime uses {used}: "
            "check the driver and the CUDA and cuDNN libraries, or set DIGITS_PROVIDER=cpu."
        )
    return session


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads would take processor time from the next request.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights outside the graph are in no manifest, so they may not be loaded: no folder is below this file.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.log_severity_level = 3  # errors
    return options


def _cuda_options(memory_mb: int) -> dict[str, str]:
    """Return the provider options; source: onnxruntime.ai, "CUDA Execution Provider"."""
    return {
        "gpu_mem_limit": str(memory_mb << 20),
        # In powers of two, the last step would not fit, and up to half of the memory would stay unused.
        "arena_extend_strategy": "kSameAsRequested",
        # TensorFloat-32 has ten bits: probabilities would change by some thousandths.
        "use_tf32": "0",
    }


def _reason(error: Exception) -> str:
    """Return the message of an ONNX Runtime error; of a CUDA failure only CUDA's message."""
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
            raise ContractError(f"The model's {what}: found {found}, the contract has {wanted}.")
    if isinstance(batch := inputs[0].shape[0], int):
        raise ContractError(f"The model takes only batches of {batch}; the contract needs any number of images.")


def _described(tensors: Sequence[ort.NodeArg]) -> list[tuple[str, str, list[int]]]:
    return [(tensor.name, tensor.type, tensor.shape[1:]) for tensor in tensors]
