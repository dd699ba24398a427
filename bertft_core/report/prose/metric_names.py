"""Names of metrics as papers print them; files for programs keep ours."""

NAMES = {
    "accuracy_and_f1": "mean of accuracy and F1",
    "average_precision_macro": "macro average precision",
    "best_exact": "best exact match",
    "bits_per_piece": "bits per subword",
    "brier": "Brier score",
    "ece": "ECE",
    "exact": "exact match",
    "f1_binary": "F1",
    "f1_macro": "macro F1",
    "f1_micro": "micro F1",
    "f1_samples": "F1 per example",
    "f1_weighted": "weighted F1",
    "has_ans_exact": "exact match, answerable",
    "has_ans_f1": "F1, answerable",
    "mae": "MAE",
    "mcc": "MCC",
    "mse": "MSE",
    "no_ans_exact": "exact match, unanswerable",
    "no_ans_f1": "F1, unanswerable",
    "pearson": "Pearson correlation",
    "pearson_and_spearman": "mean of Pearson and Spearman",
    "r2": "R2",
    "rmse": "RMSE",
    "spearman": "Spearman correlation",
}
F1 = "f1"


def in_print(metric: str) -> str:
    """`f1_macro` → 'macro F1', `recall/PER` → 'recall, PER'; one that is not known here has its own words."""
    name, _, label = metric.partition("/")
    words = NAMES.get(name) or " ".join(word.upper() if word == F1 else word for word in name.split("_"))
    return f"{words}, {label}" if label else words
