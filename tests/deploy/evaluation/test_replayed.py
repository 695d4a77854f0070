"""What is said of a replay's figures."""

from deploy.evaluation.replayed import remarks

NAMES = {"headwater": "Headwater", "item_mean": "item mean", "recent_popularity": "recent popularity"}


def said(ours: dict[str, float | None], theirs: dict[str, float | None], model: str = "item_mean") -> list[str]:
    """Of the same figures in both windows."""
    windows = {"headwater": ours, model: theirs}
    return remarks({"click": {"all": windows, "last_fifth": windows}}, NAMES)


def test_a_model_that_is_worse_than_a_baseline_is_called_so() -> None:
    """With both figures, and whether the difference is within the error."""
    [remark] = said({"auc": 0.6, "auc_error": 0.01, "log_loss": 0.3}, {"auc": 0.64, "auc_error": 0.01, "log_loss": 0.4})
    assert remark == "click: worse than item mean in the last fifth (AUC 0.6000 against 0.6400)"
    [remark] = said({"auc": 0.6, "auc_error": 0.05, "log_loss": 0.3}, {"auc": 0.64, "auc_error": 0.05, "log_loss": 0.2})
    assert "AUC 0.6000 against 0.6400, which is within the error; log loss 0.3000 against 0.2000" in remark
    assert said({"auc": 0.66, "auc_error": 0.01, "log_loss": 0.3}, {"auc": 0.64, "auc_error": 0.01, "log_loss": 0.4}) == []


def test_a_baseline_below_chance_and_a_figure_too_good_are_warned_of() -> None:
    """Beyond their errors only."""
    [remark] = said({"auc": 0.9, "auc_error": 0.01}, {"auc": 0.31, "auc_error": 0.02}, "recent_popularity")
    assert remark.startswith("click: the AUC of recent popularity is 0.310 ± 0.020, worse than chance")
    assert said({"auc": 0.9, "auc_error": 0.01}, {"auc": 0.49, "auc_error": 0.02}, "recent_popularity") == []
    [remark] = said({"list_auc": 0.97, "list_auc_error": 0.01}, {"list_auc": 0.6, "list_auc_error": 0.01})
    assert remark.startswith("click: the AUC in lists of Headwater is 0.970 ± 0.010, above what people's choices allow")
    assert said({"list_auc": 0.97, "list_auc_error": 0.03}, {"list_auc": 0.6, "list_auc_error": 0.01}) == []
