"""Server whose item table cannot take over an item called `defect`; run as `python -m tests.serving.faulty_server`."""

import numpy as np
from numpy.typing import NDArray

from feature_repo.items.table import ItemTable
from headwater.v1.catalogue_pb2 import Item
from serving.__main__ import main

_set_content = ItemTable.set_content


def _defective_set_content(table: ItemTable, item: Item, vector_D: NDArray[np.float32] | None) -> None:
    if item.item_id == "defect":
        raise RuntimeError("a defect of this software")
    _set_content(table, item, vector_D)


if __name__ == "__main__":
    ItemTable.set_content = _defective_set_content  # type: ignore[method-assign, assignment]  # the defect
    main()
