"""Files of recorded data as batches of columns, whatever they are kept in: text, JSON or Parquet, here or in a bucket."""

from deploy.dataset.files.batch import BadRow, HistoryFileError, RowBatch
from deploy.dataset.files.source import Form, Source

__all__ = ["BadRow", "Form", "HistoryFileError", "RowBatch", "Source"]
