"""The frozen text encoder: any `transformers` model by name or path, from texts to vectors of length one."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from runtime.errors import UserError
from training.encoding.conventions import Pooling, Prompt, read_conventions

__all__ = ["EncoderConfig", "EncoderError", "TextEncoder"]

_SAMPLED_BYTES = 1 << 20
_MAX_LENGTH = 256


class EncoderError(UserError):
    """An encoder that cannot be loaded; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderConfig:
    """Which model makes vectors of texts, and how."""

    model: str
    """Name on the Hugging Face hub, or path of a directory in its format."""
    pooling: Pooling | None = None
    """`mean` over the text's tokens; `cls`, the first token; `last`, the last token, for decoders. None: as the model declares,
    else the mean."""
    prompt: Prompt = "document"
    """The role of the texts, for which the model may declare a prefix."""
    prefix: str | None = None
    """Put before each text, such as `passage: ` for E5 models. None: as the model declares, else nothing."""
    max_length: int | None = None
    """Tokens after which a text is cut. None: as the model declares, else 256."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    centre: Path | None = None
    """.npy file of a vector (D,) that is subtracted from each before it is given length one; see deploy/dataset/centre.py."""
    batch_size: int = 32
    """Texts that go through the model at once."""

    def __post_init__(self) -> None:
        if (self.max_length or 1) < 1 or self.batch_size < 1:
            raise ValueError(f"EncoderConfig: max_length and batch_size must be 1 or more, got {self}")


class TextEncoder:
    """Encodes texts; the model is loaded at the first use. Safe to call from several threads."""

    def __init__(self, config: EncoderConfig) -> None:
        self.config = config
        self._loading = Lock()
        # A fast tokenizer that two threads share raises "Already borrowed".
        self._tokenizing = Lock()

    @cached_property
    def version(self) -> str:
        """Name and hash of all that decides a vector: model files, tokenizer, settings. The same wherever the files lie.

        Weights enter by size and one mebibyte from their middle: that tells a retrained model, without reading gigabytes.
        """
        aside = ("model", "prompt", "batch_size", "centre")
        settings = {name: value for name, value in asdict(self._effective).items() if name not in aside}
        digest = hashlib.sha256(repr(sorted(settings.items())).encode())
        digest.update(b"" if self._centre_D is None else self._centre_D.tobytes())
        for path in sorted(self._directory.rglob("*")):
            if path.suffix in (".json", ".txt", ".model"):
                digest.update(path.name.encode() + path.read_bytes())
            elif path.suffix in (".safetensors", ".bin"):
                size = path.stat().st_size
                with path.open("rb") as file:
                    file.seek(max(size - _SAMPLED_BYTES, 0) // 2)
                    digest.update(f"{path.name}{size}".encode() + file.read(_SAMPLED_BYTES))
        return f"{Path(self.config.model).name}-{digest.hexdigest()[:12]}"

    @cached_property
    def dimension(self) -> int:
        """D, the dimensions of a vector; raises EncoderError."""
        path = self._directory / "config.json"
        # Processes that never encode ask for this alone, and should not load transformers and the model for it.
        declared = json.loads(path.read_bytes()).get("hidden_size") if path.is_file() else None
        return int(declared or self._model.config.hidden_size)

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of the texts, (n, D) float32, each of length 1; a text of nothing but white space gets the zero vector.

        Raises:
            EncoderError: the model cannot be loaded.
        """
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # Texts of like length go together, or short ones would be padded to the longest.
        order = sorted((index for index, text in enumerate(texts) if text.strip()), key=lambda index: len(texts[index]))
        for start in range(0, len(order), self.config.batch_size):
            chosen = order[start : start + self.config.batch_size]
            vectors[chosen] = self._encode_batch([f"{self._effective.prefix}{texts[index]}" for index in chosen])
        return vectors

    @torch.inference_mode()
    def _encode_batch(self, texts: list[str]) -> npt.NDArray[np.float32]:
        with self._tokenizing:
            longest = self._effective.max_length
            tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        hidden_BLD: Tensor = self._model(**tokens).last_hidden_state.float()
        mask_BL: Tensor = tokens["attention_mask"]
        if self._effective.pooling == "mean":
            pooled_BD = (hidden_BLD * mask_BL.unsqueeze(2)).sum(1) / mask_BL.sum(1, keepdim=True)
        else:
            # The first or last token that is not padding, whichever side the tokenizer pads on.
            marks_BL = mask_BL if self._effective.pooling == "cls" else mask_BL.cumsum(1) * mask_BL
            at_B = marks_BL.argmax(1)
            pooled_BD = hidden_BLD[torch.arange(len(texts)), at_B]
        unit_BD = torch.nn.functional.normalize(pooled_BD, dim=1)
        if self._centre_D is not None:
            unit_BD = torch.nn.functional.normalize(unit_BD - torch.from_numpy(self._centre_D), dim=1)
        encoded: npt.NDArray[np.float32] = unit_BD.numpy()
        return encoded

    @cached_property
    def _effective(self) -> EncoderConfig:
        """The settings, completed by what the model declares; raises EncoderError where it asks for what there is not."""
        config = self.config
        if None not in (config.pooling, config.prefix, config.max_length):
            return config
        try:
            declared = read_conventions(self._directory)
        except ValueError as error:
            raise EncoderError(
                f"encoder {config.model!r}: {error}; set HEADWATER_ENCODER_POOLING, _PREFIX, _QUERY_PREFIX and _MAX_LENGTH to "
                "encode without what it declares, or take another encoder"
            ) from error
        return replace(
            config,
            pooling=config.pooling or declared.pooling or "mean",
            prefix=declared.prefix(config.prompt) if config.prefix is None else config.prefix,
            max_length=config.max_length or declared.max_length or _MAX_LENGTH,
        )

    @cached_property
    def _centre_D(self) -> npt.NDArray[np.float32] | None:
        """The vector to subtract; raises EncoderError for a file that does not hold one of D finite numbers."""
        file = self.config.centre
        if file is None:
            return None
        try:
            centre_D: npt.NDArray[np.float32] = np.load(file).astype(np.float32)
        except (OSError, ValueError) as error:
            raise EncoderError(f"{file}: cannot be read ({error}); make it with python -m deploy.dataset.centre") from error
        if centre_D.shape != (self.dimension,) or not np.isfinite(centre_D).all():
            raise EncoderError(
                f"{file}: holds numbers of shape {centre_D.shape}; encoder {self.config.model!r} needs ({self.dimension},), "
                "all of them finite: make it again with python -m deploy.dataset.centre"
            )
        return centre_D

    @cached_property
    def _directory(self) -> Path:
        """Where the model's files lie; those of a hub model are fetched unless they are cached."""
        if Path(self.config.model).is_dir():
            return Path(self.config.model)
        import huggingface_hub

        wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
        try:
            return Path(huggingface_hub.snapshot_download(self.config.model, allow_patterns=wanted))
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error

    @property
    def _model(self) -> Any:
        return self._loaded[0]

    @property
    def _tokenizer(self) -> Any:
        return self._loaded[1]

    @property
    def _loaded(self) -> tuple[Any, Any]:
        with self._loading:
            return self._parts

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        # Imported here: it takes seconds, and processes that never encode should not wait for it.
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        # A bar has no place among a worker's logs.
        disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers does not type it
        try:
            tokenizer = AutoTokenizer.from_pretrained(self._directory)
            model = AutoModel.from_pretrained(self._directory, dtype=getattr(torch, self.config.dtype))
        except (OSError, ValueError) as error:
            raise self._unusable(error) from error
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return model.eval().requires_grad_(False), tokenizer

    def _unusable(self, error: Exception) -> EncoderError:
        return EncoderError(
            f"encoder {self.config.model!r} cannot be loaded ({error}); give the path of a directory with config.json, "
            "the tokenizer and model.safetensors, or the name of a model on the Hugging Face hub that this machine can reach"
        )
