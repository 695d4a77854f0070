"""Settings of the text encoder, which server and workers must share: vectors of two encoders do not compare."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from training.encoding.conventions import Pooling, Prompt
from training.encoding.encoder import EncoderConfig

__all__ = ["EncoderSettings"]


class EncoderSettings(BaseSettings):
    """Which frozen model reads the items, and how; read from HEADWATER_ENCODER and HEADWATER_ENCODER_*.

    Give all processes the same: vectors carry the encoder's version, and a process leaves alone what another encoder made.
    """

    model_config = SettingsConfigDict(env_prefix="HEADWATER_", frozen=True)

    encoder: str = Field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        description="Name on the Hugging Face hub or path of a transformers model.",
    )
    encoder_pooling: Pooling | None = Field(
        default=None,
        description="Which tokens' vectors make the text's: all, the first, or the last (decoders). Unset: as the model "
        "declares (modules.json), else the mean.",
    )
    encoder_prefix: str | None = Field(
        default=None,
        description='Put before an item\'s text, such as "passage: " for E5 models. Unset: the prompt that the model declares '
        "for documents (config_sentence_transformers.json), else nothing.",
    )
    encoder_query_prefix: str | None = Field(
        default=None,
        description='Put before the words of a request (context_text), such as "query: " for E5 models. Unset: the prompt that '
        "the model declares for queries, else nothing.",
    )
    encoder_max_length: int | None = Field(
        default=None,
        ge=1,
        description="Tokens after which a text is cut. Unset: as the model declares (sentence_bert_config.json), else 256.",
    )
    encoder_dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Of the encoder's weights; bfloat16 takes half the memory and, on new processors, time."
    )
    encoder_centre: Path | None = Field(
        default=None,
        description="File of a vector that is subtracted from each (python -m deploy.dataset.centre); decoders rank better so.",
    )

    def items(self) -> EncoderConfig:
        """How items' texts are encoded."""
        return self._config("document", self.encoder_prefix)

    def queries(self) -> EncoderConfig:
        """How the words of a request are encoded, into the same space."""
        return self._config("query", self.encoder_query_prefix)

    def _config(self, prompt: Prompt, prefix: str | None) -> EncoderConfig:
        return EncoderConfig(
            model=self.encoder,
            pooling=self.encoder_pooling,
            prompt=prompt,
            prefix=prefix,
            max_length=self.encoder_max_length,
            dtype=self.encoder_dtype,
            centre=self.encoder_centre,
        )
